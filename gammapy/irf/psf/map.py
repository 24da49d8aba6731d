# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import astropy.units as u
from gammapy.irf.psf.radial import radial_kernel


class PSFMap:
    def get_psf_kernel(
        self,
        geom,
        position=None,
        # size and fineness of the kernel
        max_radius=None,
        containment=0.999,
        precision_factor=12,
    ):
        """Examples
        --------
        >>> import astropy.units as u
        >>> from gammapy.irf import PSFMap
        >>> from gammapy.maps import MapAxis, WcsGeom
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2, name="energy_true")
        >>> psf = PSFMap.from_gauss(axis, sigma=[0.1, 0.05] * u.deg)
        >>> geom = WcsGeom.create(width=2, binsz=0.05, axes=[axis])
        >>> kernel = psf.get_psf_kernel(geom, max_radius="0.4 deg")
        >>> kernel.data.shape
        (2, 17, 17)
        """
        wcs_geom = geom.to_wcs_geom() if geom.is_region or geom.is_hpx else geom
        center = self.psf_map.geom.center_skydir
        position = self._get_nearest_valid_position(
            center if position is None else position
        )
        energy = {self.energy_name: self.psf_map.geom.axes[self.energy_name].center}
        radii = self.containment_radius(
            fraction=containment, position=position, **energy
        )
        largest = np.max(radii)
        if max_radius is not None:
            largest = u.Quantity(max_radius)
            radii = np.minimum(radii, largest)
        factors = _psf_upsampling_factor(
            self, wcs_geom, position, precision_factor=precision_factor
        )
        odd = wcs_geom.to_odd_npix(max_radius=largest)
        kernel = radial_kernel(self, odd, position, radii, factors)
        return PSFKernel(kernel, normalize=True)
