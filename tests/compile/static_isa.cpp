// QUANTO_STATIC_ISA: the unit's own flags decide, when it is compiled.
#define QUANTO_STATIC_ISA
#include <quanto/backend/cpu_backend.hpp>

#if defined(__AVX512F__) && defined(__AVX512BW__) && QUANTO_TARGETS_X86
static_assert(quanto::detect_isa() == quanto::isa::avx512);
#elif defined(__AVX2__) && defined(__FMA__) && QUANTO_TARGETS_X86
static_assert(quanto::detect_isa() == quanto::isa::avx2);
#else
static_assert(quanto::detect_isa() == quanto::isa::portable);
#endif
