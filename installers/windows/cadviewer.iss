; Installs the frozen program for one user, without asking for rights: Start menu, "Open with" for image files,
; uninstaller. Compiled by package.ps1, which gives Version, Frozen and Dist. Inno Setup 6.3 or newer. Never run so far.

[Setup]
AppId={{6E0B6E0F-6F0C-4C0B-9B7D-2F6B0C0F5A31}
AppName=cadviewer
AppVersion={#Version}
AppPublisher=The cadviewer developers
DefaultDirName={localappdata}\Programs\cadviewer
DefaultGroupName=cadviewer
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
LicenseFile={#Source}\LICENSE
OutputDir={#Dist}
OutputBaseFilename=cadviewer-{#Version}-windows-x86_64-setup
UninstallDisplayIcon={app}\cadviewer.exe
ChangesAssociations=yes
CloseApplications=yes
Compression=lzma2/normal
SolidCompression=yes
WizardStyle=modern
#ifdef SignTool
SignTool={#SignTool}
SignedUninstaller=yes
#endif

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"

[Tasks]
Name: "associate"; Description: "{cm:AssocFileExtension,cadviewer,.dcm .mhd .mha .nrrd .nhdr .nii}"
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked

[InstallDelete]
; libraries of an older version must not stay beside the new ones
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Frozen}\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion
Source: "{#Source}\build\installer\licences.txt"; DestDir: "{app}"; Flags: ignoreversion

[Icons]
Name: "{autoprograms}\cadviewer"; Filename: "{app}\cadviewer.exe"
Name: "{autodesktop}\cadviewer"; Filename: "{app}\cadviewer.exe"; Tasks: desktopicon

[Registry]
; A program to open files with; what the user chose for a type before stays chosen.
Root: HKCU; Subkey: "Software\Classes\cadviewer.image"; ValueType: string; ValueData: "Medical image"; Flags: uninsdeletekey; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\cadviewer.image\DefaultIcon"; ValueType: string; ValueData: "{app}\cadviewer.exe,0"; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\cadviewer.image\shell\open\command"; ValueType: string; ValueData: """{app}\cadviewer.exe"" ""%1"""; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.dcm\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.mhd\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.mha\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.nrrd\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.nhdr\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKCU; Subkey: "Software\Classes\.nii\OpenWithProgids"; ValueType: string; ValueName: "cadviewer.image"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate

[Run]
Filename: "{app}\cadviewer.exe"; Description: "{cm:LaunchProgram,cadviewer}"; Flags: nowait postinstall skipifsilent

; What the user made (%LOCALAPPDATA%\cadviewer: answers, results, settings) is not removed with the program.
