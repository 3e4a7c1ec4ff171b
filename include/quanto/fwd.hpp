// The names of quanto, for headers that only pass them on.
#pragma once

#include <cstdint>

#include <quanto/core/config.hpp>

namespace quanto::inline v0 {

struct qint2;
struct qint4;
struct qint8;
struct qfloat8_e4m3fn;
struct qfloat8_e4m3fnuz;
struct qfloat8_e5m2;
struct float16;
struct bfloat16;
class any_qtype;
enum class dtype : std::uint8_t;

class error;
template <class T>
class result;
class memory_ref;
class extents;
class storage;
template <class T>
class tensor_view;
template <class T>
struct matrix_view;
template <class T>
class Tensor;
class any_tensor;
class any_qtensor;

namespace io {
class SafetensorsFile;
struct quantization_map;
}  // namespace io
namespace nn {
struct context;
class Activation;
class Weight;
struct Linear;
struct Conv1d;
struct Conv2d;
struct BatchNorm;
struct LayerNorm;
struct ReLU;
struct Flatten;
}  // namespace nn

}  // namespace quanto::inline v0
