// expect: codes have 2, 4 or 8 bits
#include <quanto/tensor/packing.hpp>

quanto::planar_packing<3> packing;
