# Packs the frozen program for Windows: an installer for one user by Inno Setup. Never run so far.
# Usage: powershell -File installers\windows\package.ps1
# Into dist\, with a checksum beside it. Needs Python 3.11 or newer and Inno Setup 6.3 or newer (ISCC.exe).
# Signed where SIGN_CERTIFICATE (a .pfx file in base64) and SIGN_PASSWORD are set; needs signtool.exe of the Windows SDK.
[CmdletBinding()]
param()
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest

function Invoke-Checked {
    param([Parameter(Mandatory)][string]$Program, [string[]]$Arguments = @())
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$Program ended with status $LASTEXITCODE" }
}

$root = Resolve-Path (Join-Path $PSScriptRoot '..\..')
Set-Location $root
Invoke-Checked 'python' @('installers\freeze.py')
$name = python installers\freeze.py --name
$version = ($name -split '-')[1]
$dist = Join-Path $root 'dist'
$frozen = Join-Path $root 'build\installer\frozen\cadviewer'
$compiler = @(
    (Get-Command 'iscc' -ErrorAction SilentlyContinue | Select-Object -ExpandProperty Source),
    "${env:ProgramFiles(x86)}\Inno Setup 6\ISCC.exe"
) | Where-Object { $_ -and (Test-Path $_) } | Select-Object -First 1
if (-not $compiler) { throw 'Inno Setup (ISCC.exe) is not here' }

$defines = @("/DVersion=$version", "/DSource=$root", "/DFrozen=$frozen", "/DDist=$dist")
$certificate = $null
if ($env:SIGN_CERTIFICATE) {
    $certificate = Join-Path ([IO.Path]::GetTempPath()) 'cadviewer-sign.pfx'
    [IO.File]::WriteAllBytes($certificate, [Convert]::FromBase64String($env:SIGN_CERTIFICATE))
    $sign = "signtool.exe sign /fd sha256 /td sha256 /tr http://timestamp.digicert.com /f `$q$certificate`$q /p `$q$env:SIGN_PASSWORD`$q"
    Invoke-Checked 'signtool.exe' @('sign', '/fd', 'sha256', '/td', 'sha256', '/tr', 'http://timestamp.digicert.com',
        '/f', $certificate, '/p', $env:SIGN_PASSWORD, (Join-Path $frozen 'cadviewer.exe'))
    $defines += @("/Scadviewer=$sign `$f", '/DSignTool=cadviewer')
}
try {
    Invoke-Checked $compiler ($defines + @((Join-Path $PSScriptRoot 'cadviewer.iss')))
} finally {
    if ($certificate) { Remove-Item $certificate }
}
$setup = "cadviewer-$version-windows-x86_64-setup.exe"
$hash = (Get-FileHash -Algorithm SHA256 (Join-Path $dist $setup)).Hash.ToLower()
Set-Content -NoNewline -Encoding ascii (Join-Path $dist "$setup.sha256") "$hash  $setup`n"
