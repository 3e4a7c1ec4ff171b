// One of the two vocabularies, see vector.hpp.
#if QUANTO_KERNEL_XSIMD
#include <quanto/kernels/vector_xsimd.inl>
#else
#include <quanto/kernels/vector.inl>
#endif
