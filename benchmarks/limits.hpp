// What this machine can do at most, measured next to what is compared with it:
//     read_dram, read_l2, read_l1   bytes that a plain loop reads in order           GB/s
//                                   (of memory: in one stream, or in four in turns, where that is faster)
//     int4_encode, int4_decode      floats that the plainest vector loop quantizes to int4 in groups of 128, and back
//     fma_f32                       multiplications and additions of float32          GOP/s
//     dot_bf16                      those of vdpbf16ps: pairs of bfloat16 into float32
//     dot_int8                      those of vpdpbusd: fours of bytes into int32
//     dot_int8_256                  those of vpmaddubsw on 256 bits: all that AVX2 has for bytes
// Precondition: has(limit). Without x86 there are the three read loops.
#pragma once

#include <sys/mman.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <quanto/backend/executor.hpp>
#include <quanto/kernels/target.hpp>
#if QUANTO_TARGETS_X86
#include <cpuid.h>
#endif

namespace benchmarks {

enum class limit : std::uint8_t {
    none,
    read_dram,
    read_l2,
    read_l1,
    int4_encode,
    int4_decode,
    fma_f32,
    dot_bf16,
    dot_int8,
    dot_int8_256
};

constexpr std::string_view name(limit what) {
    constexpr std::string_view names[] = {
        "-",       "DRAM read", "L2 read",  "L1 read",          "int4 encode loop", "int4 decode loop",
        "f32 FMA", "bf16 dot",  "int8 dot", "int8 dot, 256 bit"};
    return names[static_cast<std::size_t>(what)];
}
constexpr bool is_bandwidth(limit what) { return what >= limit::read_dram && what <= limit::int4_decode; }

// Memory in huge pages, a std::pmr-like resource: a loop over many megabytes then measures memory, not page tables.
struct huge_pages {
    static constexpr std::size_t page = std::size_t{2} << 20;

    static std::size_t rounded(std::size_t bytes) { return (bytes + page - 1) / page * page; }
    void* allocate(std::size_t bytes, std::size_t) {
        std::size_t const size = rounded(bytes);
        void* const p = ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return nullptr;
        auto* const begin = static_cast<std::byte*>(p);
        std::size_t const skip = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
        if (skip != 0) ::munmap(begin, skip);
        if (skip != page) ::munmap(begin + skip + size, page - skip);
        ::madvise(begin + skip, size, MADV_HUGEPAGE);
        return begin + skip;
    }
    void deallocate(void* p, std::size_t bytes, std::size_t) { ::munmap(p, rounded(bytes)); }
};

namespace detail {

inline float volatile sink;

#define BENCHMARKS_READ_LOOP(bytes)                                                                \
    typedef float vector __attribute__((vector_size(bytes)));                                      \
    template <std::size_t Streams>                                                                 \
    void read(std::byte const* p, std::size_t n) {                                                 \
        constexpr std::size_t in_stream = 8 / Streams;                                             \
        vector sum[8] = {};                                                                        \
        for (std::size_t i = 0; i != n / Streams; i += in_stream * sizeof(vector))                 \
            for (std::size_t j = 0; j != 8; ++j)                                                   \
                sum[j] += *reinterpret_cast<vector const*>(p + j / in_stream * (n / Streams) + i + \
                                                           j % in_stream * sizeof(vector));        \
        for (std::size_t j = 1; j != 8; ++j) sum[0] += sum[j];                                     \
        sink = sum[0][0];                                                                          \
    }                                                                                              \
    inline void read(std::byte const* p, std::size_t n, std::size_t streams) {                     \
        streams == 1 ? read<1>(p, n) : read<4>(p, n);                                              \
    }
namespace portable {
BENCHMARKS_READ_LOOP(16)
}
#if QUANTO_TARGETS_X86
QUANTO_TARGET_BEGIN("avx2,fma")
namespace avx2 {
BENCHMARKS_READ_LOOP(32)
}
QUANTO_TARGET_END
QUANTO_TARGET_BEGIN("avx2,fma,avx512f")
namespace avx512 {
BENCHMARKS_READ_LOOP(64)
}
QUANTO_TARGET_END

// Groups of 128 floats to codes, first and second half in one byte, and back. min and max per group, no division.
QUANTO_TARGET_BEGIN(QUANTO_AVX512)
namespace avx512 {
QUANTO_INTRINSICS_BEGIN
inline void int4_encode(float const* x, std::size_t n, std::uint8_t* codes, float* scale, float* low) {
    for (std::size_t g = 0; g != n / 128; ++g, x += 128, codes += 64) {
        __m512 v[8];
        for (std::size_t i = 0; i != 8; ++i) v[i] = _mm512_loadu_ps(x + 16 * i);
        __m512 least = v[0], most = v[0];
        for (std::size_t i = 1; i != 8; ++i) least = _mm512_min_ps(least, v[i]), most = _mm512_max_ps(most, v[i]);
        low[g] = _mm512_reduce_min_ps(least);
        scale[g] = (_mm512_reduce_max_ps(most) - low[g]) / 15.0f;
        __m512 const by = _mm512_set1_ps(scale[g] > 0 ? 1 / scale[g] : 0), from = _mm512_set1_ps(low[g]);
        for (std::size_t i = 0; i != 4; ++i) {
            __m512i const a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(v[i], from), by));
            __m512i const b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(v[i + 4], from), by));
            __m128i const bytes = _mm512_cvtepi32_epi8(_mm512_or_si512(a, _mm512_slli_epi32(b, 4)));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16 * i), bytes);
        }
    }
}
inline void int4_decode(std::uint8_t const* codes, float const* scale, float const* low, std::size_t n, float* y) {
    __m512i const mask = _mm512_set1_epi32(15);
    for (std::size_t g = 0; g != n / 128; ++g, codes += 64, y += 128) {
        __m512 const s = _mm512_set1_ps(scale[g]), a = _mm512_set1_ps(low[g]);
        for (std::size_t i = 0; i != 4; ++i) {
            __m128i const bytes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes + 16 * i));
            __m512i const b = _mm512_cvtepu8_epi32(bytes);
            __m512 const first = _mm512_cvtepi32_ps(_mm512_and_si512(b, mask));
            __m512 const second = _mm512_cvtepi32_ps(_mm512_srli_epi32(b, 4));
            _mm512_storeu_ps(y + 16 * i, _mm512_fmadd_ps(first, s, a));
            _mm512_storeu_ps(y + 64 + 16 * i, _mm512_fmadd_ps(second, s, a));
        }
    }
}
QUANTO_INTRINSICS_END
}  // namespace avx512
QUANTO_TARGET_END
QUANTO_TARGET_BEGIN(QUANTO_AVX2)
namespace avx2 {
QUANTO_INTRINSICS_BEGIN
inline void int4_encode(float const* x, std::size_t n, std::uint8_t* codes, float* scale, float* low) {
    for (std::size_t g = 0; g != n / 128; ++g, x += 128, codes += 64) {
        __m256 least = _mm256_loadu_ps(x), most = least;
        for (std::size_t i = 1; i != 16; ++i) {
            __m256 const v = _mm256_loadu_ps(x + 8 * i);
            least = _mm256_min_ps(least, v), most = _mm256_max_ps(most, v);
        }
        float lows[8], highs[8];
        _mm256_storeu_ps(lows, least), _mm256_storeu_ps(highs, most);
        for (std::size_t i = 1; i != 8; ++i) {
            lows[0] = lows[i] < lows[0] ? lows[i] : lows[0];
            highs[0] = highs[i] > highs[0] ? highs[i] : highs[0];
        }
        low[g] = lows[0];
        scale[g] = (highs[0] - lows[0]) / 15.0f;
        __m256 const by = _mm256_set1_ps(scale[g] > 0 ? 1 / scale[g] : 0), from = _mm256_set1_ps(low[g]);
        auto const code = [&](float const* p) __attribute__((always_inline)) {
            return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(p), from), by));
        };
        for (std::size_t i = 0; i != 64; i += 32) {
            __m256i v[4];
            for (std::size_t j = 0; j != 4; ++j)
                v[j] = _mm256_or_si256(code(x + i + 8 * j), _mm256_slli_epi32(code(x + 64 + i + 8 * j), 4));
            __m256i const bytes = _mm256_packus_epi16(_mm256_packus_epi32(v[0], v[1]), _mm256_packus_epi32(v[2], v[3]));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i),
                                _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
        }
    }
}
inline void int4_decode(std::uint8_t const* codes, float const* scale, float const* low, std::size_t n, float* y) {
    __m256i const mask = _mm256_set1_epi32(15);
    for (std::size_t g = 0; g != n / 128; ++g, codes += 64, y += 128) {
        __m256 const s = _mm256_set1_ps(scale[g]), a = _mm256_set1_ps(low[g]);
        for (std::size_t i = 0; i != 64; i += 8) {
            __m256i const b = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(codes + i)));
            __m256 const first = _mm256_cvtepi32_ps(_mm256_and_si256(b, mask));
            __m256 const second = _mm256_cvtepi32_ps(_mm256_srli_epi32(b, 4));
            _mm256_storeu_ps(y + i, _mm256_fmadd_ps(first, s, a));
            _mm256_storeu_ps(y + 64 + i, _mm256_fmadd_ps(second, s, a));
        }
    }
}
QUANTO_INTRINSICS_END
}  // namespace avx2
QUANTO_TARGET_END

// Twelve independent chains of one instruction, `rounds` links each.
#define BENCHMARKS_CHAINS(function, instruction, r)                                                                \
    inline void function(std::size_t rounds) {                                                                     \
        asm volatile("vzeroall" ::: BENCHMARKS_CLOBBERS);                                                          \
        for (std::size_t i = 0; i != rounds; ++i)                                                                  \
            asm volatile(instruction " %%" r "12, %%" r "13, %%" r "0\n" instruction " %%" r "12, %%" r "13, %%" r \
                                     "1\n" instruction " %%" r "12, %%" r "13, %%" r "2\n" instruction " %%" r     \
                                     "12, %%" r "13, %%" r "3\n" instruction " %%" r "12, %%" r "13, %%" r         \
                                     "4\n" instruction " %%" r "12, %%" r "13, %%" r "5\n" instruction " %%" r     \
                                     "12, %%" r "13, %%" r "6\n" instruction " %%" r "12, %%" r "13, %%" r         \
                                     "7\n" instruction " %%" r "12, %%" r "13, %%" r "8\n" instruction " %%" r     \
                                     "12, %%" r "13, %%" r "9\n" instruction " %%" r "12, %%" r "13, %%" r         \
                                     "10\n" instruction " %%" r "12, %%" r "13, %%" r "11" ::                      \
                                         : BENCHMARKS_CLOBBERS);                                                   \
    }
#define BENCHMARKS_CLOBBERS \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"
BENCHMARKS_CHAINS(fma_256, "vfmadd231ps", "ymm")
BENCHMARKS_CHAINS(fma_512, "vfmadd231ps", "zmm")
BENCHMARKS_CHAINS(bf16_512, "vdpbf16ps", "zmm")
BENCHMARKS_CHAINS(int8_512, "vpdpbusd", "zmm")
BENCHMARKS_CHAINS(int8_256, "vpmaddubsw", "ymm")
#undef BENCHMARKS_CLOBBERS
#undef BENCHMARKS_CHAINS
#endif
#undef BENCHMARKS_READ_LOOP

}  // namespace detail

class machine {
public:
    static constexpr std::size_t buffer_bytes = std::size_t{512} << 20;

    machine() : buffer_(static_cast<std::byte*>(huge_pages().allocate(buffer_bytes, 64))) {
        auto* const values = reinterpret_cast<float*>(buffer_);
        for (std::size_t i = 0; i != buffer_bytes / sizeof(float); ++i) values[i] = static_cast<float>(i % 1000);
#if QUANTO_TARGETS_X86
        isa_ = quanto::detect_isa();
        unsigned a = 0, b = 0, c = 0, d = 0;
        if (isa_ == quanto::isa::avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d)) has_int8_ = (c >> 11 & 1u) != 0;
        if (isa_ == quanto::isa::avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) has_bf16_ = (a >> 5 & 1u) != 0;
#endif
        choose_streams();
    }
    machine(machine const&) = delete;
    machine& operator=(machine const&) = delete;
    ~machine() { huge_pages().deallocate(buffer_, buffer_bytes, 64); }

    bool has(limit what) const {
        if (what == limit::none) return false;
        if (what == limit::dot_int8) return has_int8_;
        if (what == limit::dot_bf16) return has_bf16_;
        return what <= limit::read_l1 || isa_ != quanto::isa::portable;
    }

    // That limit, or what comes nearest to it on this machine.
    limit nearest(limit what) const {
        if (has(what)) return what;
        if (what == limit::dot_int8 && has(limit::dot_int8_256)) return limit::dot_int8_256;
        if (what == limit::dot_bf16 && has(limit::fma_f32)) return limit::fma_f32;
        return limit::none;
    }

    // About two milliseconds of that work, on every thread of the executor. Returns it in bytes or operations.
    template <quanto::Executor E>
    double run(limit what, E& executor) {
        std::size_t const threads = executor.concurrency();
        executor.run(threads, [&](std::size_t i) { run_one(what, i, threads); });
        return static_cast<double>(threads) * work(what);
    }

private:
    static constexpr std::size_t rounds = 600'000, l1 = 16 << 10, l2 = 256 << 10, dram = std::size_t{64} << 20,
                                 int4 = 160 * 4096;

    double work(limit what) const {
        double const chains = 12.0 * static_cast<double>(rounds);
        bool const wide = isa_ == quanto::isa::avx512;
        switch (what) {
            case limit::read_dram:
                return static_cast<double>(dram);
            case limit::read_l2:
                return static_cast<double>(l2) * 800;
            case limit::read_l1:
                return static_cast<double>(l1) * 24'000;
            case limit::int4_encode:
            case limit::int4_decode:
                return static_cast<double>(int4 * sizeof(float)) * 40;
            case limit::fma_f32:
                return chains * (wide ? 32 : 16);
            case limit::dot_bf16:
                return chains * 64;
            case limit::dot_int8:
                return chains * 128;
            case limit::dot_int8_256:
                return chains * 64;
            default:
                return 0;
        }
    }
    void run_one(limit what, std::size_t thread, std::size_t threads) {
        std::byte const* const mine = buffer_ + thread * (buffer_bytes / threads);
        if (what == limit::read_dram) {
            std::size_t const parts = buffer_bytes / threads / dram;
            read(mine + (part_ / threads) % parts * dram, dram, streams_);
            __atomic_fetch_add(&part_, 1, __ATOMIC_RELAXED);
        }
        if (what == limit::read_l2)
            for (int i = 0; i != 800; ++i) read(mine, l2);
        if (what == limit::read_l1)
            for (int i = 0; i != 24'000; ++i) read(mine, l1);
#if QUANTO_TARGETS_X86
        if (what == limit::int4_encode || what == limit::int4_decode) {
            auto* const x = reinterpret_cast<float*>(buffer_ + thread * (buffer_bytes / threads));
            float *const scale = x + int4, *const low = scale + int4 / 128;
            auto* const codes = reinterpret_cast<std::uint8_t*>(low + int4 / 128);
            bool const wide = isa_ == quanto::isa::avx512;
            auto* const encode = wide ? detail::avx512::int4_encode : detail::avx2::int4_encode;
            auto* const decode = wide ? detail::avx512::int4_decode : detail::avx2::int4_decode;
            for (int i = 0; i != 40; ++i)
                what == limit::int4_encode ? encode(x, int4, codes, scale, low) : decode(codes, scale, low, int4, x);
        }
        if (what == limit::fma_f32) isa_ == quanto::isa::avx512 ? detail::fma_512(rounds) : detail::fma_256(rounds);
        if (what == limit::dot_bf16) detail::bf16_512(rounds);
        if (what == limit::dot_int8) detail::int8_512(rounds);
        if (what == limit::dot_int8_256) detail::int8_256(rounds);
#endif
    }
    // Some processors read more in several streams, some less.
    void choose_streams() {
        using clock = std::chrono::steady_clock;
        clock::duration one{}, four{};
        for (std::size_t at = 0; at != buffer_bytes; at += 2 * dram) {
            auto const start = clock::now();
            read(buffer_ + at, dram, 1);
            auto const middle = clock::now();
            read(buffer_ + at + dram, dram, 4);
            one += middle - start;
            four += clock::now() - middle;
        }
        streams_ = four < one ? 4 : 1;
    }
    void read(std::byte const* p, std::size_t n, std::size_t streams = 1) const {
#if QUANTO_TARGETS_X86
        if (isa_ == quanto::isa::avx512) return detail::avx512::read(p, n, streams);
        if (isa_ == quanto::isa::avx2) return detail::avx2::read(p, n, streams);
#endif
        detail::portable::read(p, n, streams);
    }

    std::byte* buffer_;
    std::size_t part_ = 0, streams_ = 1;
    quanto::isa isa_ = quanto::isa::portable;
    bool has_int8_ = false, has_bf16_ = false;
};

}  // namespace benchmarks
