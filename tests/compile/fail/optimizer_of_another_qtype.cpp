// expect: this optimizer cannot choose scales for this qtype
#include <quanto/quantizer/quantize.hpp>

auto quantized(quanto::tensor_view<float const> x) { return quanto::quantize<quanto::qint8>(x, quanto::max_range{}); }
