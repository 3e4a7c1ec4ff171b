// All kernels of products.
#define QUANTO_IMPLEMENTATION 1
#include <quanto/backend/cpu_backend.hpp>
