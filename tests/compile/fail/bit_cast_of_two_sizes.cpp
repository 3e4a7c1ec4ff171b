// expect: bit_cast needs two types of one size
#include <quanto/core/math.hpp>

auto bits = quanto::bit_cast<std::uint64_t>(1.0f);
