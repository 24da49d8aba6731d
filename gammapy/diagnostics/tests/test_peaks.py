# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose
from gammapy.diagnostics.peaks import Peak, find_peaks, merge_peaks


def bump(x, y, height):
    rows, columns = np.indices((20, 30))
    return height * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / 9)


def test_find_peaks():
    image = bump(8.3, 6.8, 6) + bump(20, 12, -5) + bump(25, 3, 2)
    image[:, 29] = np.nan
    peaks = find_peaks(image, 4)
    assert_allclose([peak.sqrt_ts for peak in peaks], [6, -5], rtol=0.01)
    assert_allclose(
        [(peak.x, peak.y) for peak in peaks], [(8.3, 6.8), (20, 12)], atol=0.1
    )
    assert [peak.pixel for peak in peaks] == [(7, 8), (12, 20)]
    assert find_peaks(np.full((3, 3), np.nan), 1) == []


def test_plateaus():
    """Equal neighbours are one peak, and none where they lead to a higher one."""
    image = np.zeros((9, 12))
    image[2:4, 2:5] = 5
    image[6, 6:10] = 4.5
    image[6, 10] = 5
    peaks = find_peaks(image, 4)
    assert [peak.sqrt_ts for peak in peaks] == [5, 5]
    assert_allclose([(peak.x, peak.y) for peak in peaks], [(3, 2.5), (10, 6)], atol=0.5)


def test_infinite():
    image = np.zeros((5, 5))
    image[2, 2] = np.inf
    (peak,) = find_peaks(image, 4)
    assert (peak.sqrt_ts, peak.x, peak.y) == (np.inf, 2, 2)


def test_merge_peaks():
    peaks = [
        Peak(5.0, 0, 0, (0, 0), 2),
        Peak(7.0, 1, 0, (0, 1), 1),  # of the same excess, at its best scale
        Peak(-6.0, 1, 0, (0, 1), 1),  # missing counts are another thing
        Peak(4.5, 9, 0, (0, 9), 2),
        Peak(4.2, 3.1, 0, (0, 3), 1),  # within the reach of the first, which is gone
    ]

    def separation(peak, others):
        return np.hypot(*np.transpose([(p.x - peak.x, p.y - peak.y) for p in others]))

    spots = merge_peaks(peaks, lambda peak: peak.scan_map, separation)
    assert [spot.sqrt_ts for spot in spots] == [7, -6, 4.5, 4.2]
