// expect: a static tensor has at least one element
#include <quanto/tensor/qtensor.hpp>

quanto::QTensor<quanto::qint8, quanto::axis::first, quanto::whole_axis, quanto::static_extents<4, 0>> weight;
