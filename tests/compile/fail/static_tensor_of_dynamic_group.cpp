// expect: a tensor with static extents needs a static group
#include <quanto/tensor/qtensor.hpp>

quanto::QTensor<quanto::qint4, quanto::axis::first, quanto::dynamic_group, quanto::static_extents<4, 8>> weight;
