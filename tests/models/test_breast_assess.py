"""From pixels to breast findings, with networks made of NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Call, Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast import colour_flow, lesion_measures
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.phantoms import phantom
from trainers.data.ultrasound import breast_tcia, bus_uclm

Array = NDArray[Any]


def card(calibration: Mapping[str, Any] | None = None, **inputs: Any) -> ModelCard:
    return ModelCard(
        name="fake",
        version="1",
        task=Task.BREAST,
        title="",
        network="",
        config={},
        inputs={"size": 64, "channels": 1, **inputs},
        threshold=0.5,
        weights_sha256="",
        calibration=calibration or {},
    )


def volume(pixels: Array, **changes: Any) -> Volume:
    frames = pixels if pixels.ndim == 4 or (pixels.ndim == 3 and pixels.shape[-1] != 3) else pixels[None]
    geometry = Geometry(frames.shape[:3], pixel_spacing=changes.pop("pixel_spacing", None))
    file = Path("image.png")
    series = Series(
        source=file,
        format="image",
        slices=tuple(SliceInfo(file, frame=k) for k in range(len(frames))),
        geometry=geometry,
        shape=Shape.IMAGE if len(frames) == 1 else Shape.STACK,
        dtype=frames.dtype,
        channels=3 if frames.ndim == 4 else 1,
        **changes,
    )
    return Volume(series, frames)


class Bright:
    """A network that takes what is brighter than average for a lesion, and one logit for all."""

    def __init__(self, logit: float = 2.0, batch_size: int = 8) -> None:
        self.logit, self.batch_size = logit, batch_size
        self.batches: list[int] = []

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.batches.append(len(batch))
        return np.where(batch > 1.5, 8.0, -8.0).astype(np.float32), np.full(len(batch), self.logit, np.float32)


def scene(rows: int = 80, columns: int = 120) -> tuple[Array, Array]:
    """A gray image with a bright rectangle, and where it is."""
    image = np.random.default_rng(0).integers(40, 60, (rows, columns)).astype(np.uint8)
    truth = np.zeros((rows, columns), bool)
    truth[20:50, 60:100] = True
    image[truth] = 220
    return image, truth


def dice(a: Array, b: Array) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.mark.parametrize("shape", [(80, 120), (120, 110), (301, 222)])
@pytest.mark.parametrize("zoom", [1.0, 1.2, 0.8])
def test_the_mask_lies_where_the_lesion_is_whatever_the_shape_and_views(shape: tuple[int, int], zoom: float) -> None:
    image, truth = scene(*shape)
    seen = [{}, {"flip": True}, {"zoom": zoom}, {"flip": True, "zoom": zoom}]
    found = breast.assess(volume(image, modality="US"), Bright(), card(size=128, views=seen)).findings[0]
    assert found.mask is not None
    assert found.mask.shape == image.shape
    assert set(np.unique(found.mask)) == {0, 255}
    assert dice(found.mask > 0, truth) > 0.9
    assert found.lesion_px == int((found.mask > 0).sum())
    assert found.size == shape


def test_a_lesion_at_the_border_survives_an_enlarged_view() -> None:
    image, _ = scene()
    image[:] = np.arange(image.shape[1]) % 20 + 40
    image[30:60, :14] = 220
    found = breast.assess(volume(image), Bright(), card(size=120, views=[{}, {"zoom": 1.3}])).findings[0]
    assert found.mask is not None
    assert found.mask[45, 2] == 255


def test_gray_stored_as_rgb_gives_the_same_as_gray() -> None:
    image, _ = scene()
    one = breast.assess(volume(image), Bright(), card()).findings[0]
    three = breast.assess(volume(np.repeat(image[..., None], 3, 2)), Bright(), card()).findings[0]
    assert one.mask is not None
    assert three.mask is not None
    assert np.array_equal(one.mask, three.mask)


def test_sixteen_bits_and_inverted_values_are_read_alike() -> None:
    image, truth = scene()
    wide = volume(image.astype(np.uint16) * 200)
    dark = volume(255 - image, inverted=True)
    for case in (wide, dark):
        found = breast.assess(case, Bright(), card()).findings[0]
        assert found.mask is not None
        assert dice(found.mask > 0, truth) > 0.85


def test_millimetres_only_where_the_image_is_calibrated() -> None:
    image, _ = scene()
    unknown = breast.assess(volume(image), Bright(), card(size=240))
    assert unknown.findings[0].long_mm is None
    assert any("no millimetres" in w for w in unknown.warnings)
    known = breast.assess(volume(image, pixel_spacing=(0.1, 0.2)), Bright(), card(size=240)).findings[0]
    assert known.long_mm is not None
    assert known.short_mm is not None
    assert known.long_mm == pytest.approx(math.hypot(30 * 0.1, 40 * 0.2), rel=0.08)


def test_axes_of_a_bar_are_its_length_and_width() -> None:
    mask = np.zeros((50, 50), np.uint8)
    mask[10:12, 5:45] = 255
    long, short = lesion_measures.axes(mask, (0.5, 0.5))
    assert long == pytest.approx(0.5 * math.hypot(40, 2))
    assert short == pytest.approx(
        2 * 0.5 * 40 * 2 / math.hypot(40, 2), rel=0.01
    )  # the rectangle seen along its diagonal


def test_a_lesion_deeper_than_it_is_wide_is_taller_than_wide_in_millimetres() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[10:40, 20:40] = 255
    tall = lesion_measures.measure(mask, None)
    assert tall is not None
    assert tall.depth_to_width == pytest.approx(1.5)
    assert tall.long_mm is None
    assert tall.area_mm2 is None
    squashed = lesion_measures.measure(mask, (0.1, 0.2))  # the same pixels, each twice as wide as it is deep
    assert squashed is not None
    assert squashed.depth_to_width == pytest.approx(0.75)
    assert squashed.area_mm2 == pytest.approx(30 * 20 * 0.1 * 0.2)
    assert squashed.long_px == pytest.approx(math.hypot(30, 20))


def test_several_lesions_are_counted_and_the_largest_is_measured() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[5:9, 5:9] = 255
    mask[20:40, 20:30] = 255
    found = lesion_measures.measure(mask, None)
    assert found is not None
    assert found.lesions == 2
    assert found.depth_to_width == pytest.approx(2)
    assert lesion_measures.measure(np.zeros((9, 9), np.uint8), None) is None


def test_a_pixel_size_that_the_user_gave_makes_millimetres_and_is_said() -> None:
    image, _ = scene()
    given = breast.assess(volume(image), Bright(), card(size=240), spacing_mm=0.2)
    by_file = breast.assess(volume(image, pixel_spacing=(0.2, 0.2)), Bright(), card(size=240))
    assert given.findings[0].long_mm == by_file.findings[0].long_mm
    assert any("given by the user" in w for w in given.warnings)
    assert not any("no millimetres" in w for w in given.warnings)


def test_what_the_file_says_of_its_pixels_goes_before_what_the_user_gave() -> None:
    image, _ = scene()
    both = breast.assess(volume(image, pixel_spacing=(0.2, 0.2)), Bright(), card(size=240), spacing_mm=3.0)
    by_file = breast.assess(volume(image, pixel_spacing=(0.2, 0.2)), Bright(), card(size=240))
    assert both.findings[0].long_mm == by_file.findings[0].long_mm
    assert any("not used" in w for w in both.warnings)
    with pytest.raises(ValueError, match="positive"):
        breast.assess(volume(image), Bright(), card(), spacing_mm=-1)


def test_small_pieces_and_holes_are_cleaned_but_a_second_lesion_stays() -> None:
    probability = np.zeros((60, 60), np.float32)
    probability[5:25, 5:25] = 0.9
    probability[10:14, 10:14] = 0.1
    probability[35:50, 35:50] = 0.9
    probability[55:57, 3:5] = 0.9
    mask = breast.lesions(probability)
    assert mask[12, 12] == 255
    assert mask[40, 40] == 255
    assert mask[56, 4] == 0


def test_temperature_and_bias_make_the_probability_and_its_interval() -> None:
    calibration = {"temperature": 2.0, "bias": -1.0, "covariance": [[0.04, 0.0], [0.0, 0.09]]}
    estimate = breast.calibrated(3.0, 0.5, calibration)
    deviation = math.sqrt(0.04 * 9 + 0.09 + 0.25**2)
    assert estimate.value == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-(0.5 + 1.96 * deviation))))
    assert estimate.low == pytest.approx(1 / (1 + math.exp(-(0.5 - 1.96 * deviation))))


@pytest.mark.parametrize(("probability", "call"), [(0.9, Call.MALIGNANT), (0.5, Call.UNCERTAIN), (0.1, Call.BENIGN)])
def test_the_call_is_the_one_class_that_conformal_prediction_leaves(probability: float, call: Call) -> None:
    quantiles = {"conformal": {"alpha": 0.1, "malignant": 0.7, "benign": 0.6}}
    said, reason = breast.decide(probability, card(quantiles))
    assert said is call
    assert bool(reason) is (call is Call.UNCERTAIN)


def test_a_probability_that_fits_neither_class_is_uncertain_too() -> None:
    said, reason = breast.decide(0.5, card({"conformal": {"alpha": 0.1, "malignant": 0.3, "benign": 0.3}}))
    assert said is Call.UNCERTAIN
    assert "neither class" in reason


def test_nothing_found_is_said_so_and_a_suspicious_image_without_outline_is_uncertain() -> None:
    image, _ = scene()
    image[:] = np.random.default_rng(1).integers(40, 60, image.shape)
    none = breast.assess(volume(image), Bright(-2), card({"min_area": 0.05})).findings[0]
    assert none.call is Call.NO_LESION
    assert none.lesion_px == 0
    assert none.mask is not None
    assert not none.mask.any()
    doubt = breast.assess(volume(image), Bright(2), card({"min_area": 0.05})).findings[0]
    assert doubt.call is Call.UNCERTAIN
    assert "outline" in doubt.reason


def test_every_frame_of_a_clip_is_read_and_can_be_cancelled_between() -> None:
    image, _ = scene()
    steps: list[tuple[int, int]] = []
    clip = volume(np.stack([image, image[:, ::-1], image]))
    analysis = breast.assess(clip, Bright(), card(), progress=lambda a, b: steps.append((a, b)))
    assert [f.frame for f in analysis.findings] == [0, 1, 2]
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def cancel(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    network = Bright()
    with pytest.raises(KeyboardInterrupt):
        breast.assess(clip, network, card(), progress=cancel)
    assert len(network.batches) == 1


def test_views_are_given_in_the_batches_that_the_network_wants() -> None:
    image, _ = scene()
    network = Bright(batch_size=3)
    breast.assess(volume(image), network, card(views=[{}, {"flip": True}, {"zoom": 1.1}, {"zoom": 1.2}]))
    assert network.batches == [3, 1]


def test_a_ct_given_as_breast_is_out_of_scope_with_a_clear_message() -> None:
    pixels = np.full((1, 64, 64), -500, np.int16)
    with pytest.raises(input_gate.OutOfScope, match="this is a CT"):
        breast.assess(volume(pixels, modality="CT", hounsfield=True), Bright(), card())


def test_coloured_small_and_blank_images_are_out_of_scope_and_say_why() -> None:
    image, _ = scene()
    doppler = np.repeat(image[..., None], 3, 2)
    doppler[20:50, 20:60] = (200, 30, 30)
    for pixels, word in ((doppler, "coloured"), (image[:20, :20], "too few"), (np.full_like(image, 9), "blank")):
        with pytest.raises(input_gate.OutOfScope, match=word):
            breast.assess(volume(pixels), Bright(), card())


def test_a_blank_frame_of_a_clip_gets_no_score_and_the_others_do() -> None:
    image, _ = scene()
    first, second = breast.assess(volume(np.stack([np.full_like(image, 9), image])), Bright(), card()).findings
    assert first.call is Call.OUT_OF_SCOPE
    assert "blank" in first.reason
    assert first.probability is None
    assert first.mask is None
    assert second.call is Call.MALIGNANT


def test_a_file_called_ultrasound_without_its_texture_is_warned_about() -> None:
    image, _ = scene(160, 200)
    assert any("unlike" in w for w in breast.assess(volume(image, modality="US"), Bright(), card()).warnings)
    familiar = phantom.breast_ultrasound(3)[0]
    assert not any("unlike" in w for w in breast.assess(volume(familiar), Bright(), card()).warnings)


def test_a_picture_without_header_and_without_speckle_gets_no_score() -> None:
    image, _ = scene(160, 200)
    with pytest.raises(input_gate.OutOfScope, match="without the speckle"):
        breast.assess(volume(image), Bright(), card())


def test_ultrasound_of_another_body_part_is_out_of_scope() -> None:
    with pytest.raises(input_gate.OutOfScope, match="body part heart"):
        breast.assess(volume(scene()[0], modality="US", body_part="HEART"), Bright(), card())


def test_only_the_region_that_the_file_calls_b_mode_is_read() -> None:
    image, truth = scene()
    framed = np.zeros((200, 300), np.uint8)
    framed[:30] = 255  # a bright panel of the machine
    framed[60:140, 100:220] = image
    found = breast.assess(
        volume(framed, modality="US", ultrasound_regions=((100, 60, 220, 140, 1),)), Bright(), card(size=120)
    ).findings[0]
    assert found.mask is not None
    assert found.mask.shape == framed.shape
    assert not found.mask[:60].any()
    assert dice(found.mask[60:140, 100:220] > 0, truth) > 0.9


def test_colour_flow_beside_the_lesion_is_warned_of_and_over_it_there_is_no_score() -> None:
    image, _ = scene(160, 200)
    beside = np.repeat(image[..., None], 3, 2)
    beside[120:124, 150:154] = (220, 20, 20)
    found = breast.assess(volume(beside, modality="US"), Bright(), card())
    assert any("colour flow" in w for w in found.warnings)
    assert found.findings[0].probability is not None
    over = np.repeat(image[..., None], 3, 2)
    over[30:34, 70:74] = (20, 60, 220)
    with pytest.raises(input_gate.OutOfScope, match="colour flow over the lesion"):
        breast.assess(volume(over, modality="US"), Bright(), card())


@pytest.mark.parametrize("colour", [(240, 160, 20), (140, 130, 180), (60, 200, 60), (240, 240, 40)])
def test_marks_of_a_machine_are_no_flow(colour: tuple[int, int, int]) -> None:
    image, _ = scene(160, 200)
    marked = np.repeat(image[..., None], 3, 2)
    marked[5:11, 20:26] = colour
    assert not colour_flow.flow(marked).any()


def test_flow_is_known_on_the_images_that_its_rule_was_set_on(data: Path) -> None:
    place = bus_uclm.find(data)
    if place is None:
        pytest.skip("BUS-UCLM is not here")
    cases = [c for c in bus_uclm.load(place) if c.doppler and c.fold != 5]
    assert len(cases) == 13
    assert all(colour_flow.flow(_in_colour(c.image)).any() for c in cases)


def test_no_image_without_flow_is_taken_for_one_with_it(data: Path) -> None:
    place = breast_tcia.find(data)
    if place is None:
        pytest.skip("BrEaST is not here")
    pictures = [_in_colour(c.image) for c in breast_tcia.load(place)]
    assert sum((p != p[..., :1]).any() for p in pictures) == 40  # with coloured marks
    assert not any(colour_flow.flow(p).any() for p in pictures)


def test_red_and_blue_beside_the_bmode_region_are_no_flow() -> None:
    image, _ = scene(160, 200)
    screen = np.repeat(np.pad(image, ((0, 0), (0, 40)))[..., None], 3, 2)
    screen[20:40, 215:225] = (220, 20, 20)  # a maker's sign
    regions = ((0, 0, 200, 160, 1),)
    found = breast.assess(volume(screen, modality="US", ultrasound_regions=regions), Bright(), card())
    assert not any("colour flow" in w for w in found.warnings)


def _in_colour(path: Path) -> Array:
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))


class Faint(Bright):
    """As `Bright`, and never sure: what it outlines has a probability of 0.3."""

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        mask, logit = super().__call__(batch)
        return np.where(mask > 0, -0.847, -8.0).astype(np.float32), logit


@pytest.mark.parametrize("logit", [-2.0, 2.0])
def test_what_hardly_stands_out_is_uncertain_and_below_the_least_peak_there_is_no_lesion(logit: float) -> None:
    image, truth = scene(160, 200)
    known = {"least_peak": 0.2, "min_confidence": 0.6}
    (faint,) = breast.assess(volume(image, modality="US"), Faint(logit), card(known)).findings
    assert (faint.call, faint.reason) == (Call.UNCERTAIN, "a lesion hardly stands out: look closely")
    assert dice(faint.mask > 0, truth) > 0.9  # type: ignore[operator]
    (none,) = breast.assess(volume(image, modality="US"), Faint(logit), card({"least_peak": 0.4})).findings
    assert none.call is (Call.NO_LESION if logit < 0 else Call.UNCERTAIN)
    assert not none.lesion_px
    (plain,) = breast.assess(volume(image, modality="US"), Faint(logit), card()).findings  # not set on tissue
    assert plain.call is none.call
