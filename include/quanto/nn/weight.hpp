// Weight = the values of a module's weight, in one of three states:
//     float     the master, of any float storage type
//     dynamic   a master and its quantized form, which follows it: set() quantizes anew
//     frozen    the quantized form alone
// Beside the portable form, the quantized one may be prepared: in panels, the layout that a backend's fastest products
// read. Whatever changes the weight drops them. A frozen weight may then give up the portable form, and get it back bit
// for bit.
// A weight that is only declared has a shape but no values yet; a model is built that way, without memory, and loaded.
#pragma once

#include <concepts>
#include <optional>
#include <utility>

#include <quanto/backend/backend_ref.hpp>
#include <quanto/nn/any_tensors.hpp>

namespace quanto::inline v0 {
struct chosen_scales;  // quantizer/optimizer.hpp
}

namespace quanto::inline v0::nn {

// How a weight is quantized.
struct weight_scheme {
    any_qtype type;
    std::size_t group = 0;  // 2 and 4 bits: elements per group; 0: a row is one group
    bool hqq = false;       // 2 and 4 bits: half-quadratic shifts

    friend bool operator==(weight_scheme const&, weight_scheme const&) noexcept = default;
};

// Errors: those of quantize(), and type_mismatch where x is not of a float type. chosen: scales for it, if any.
result<any_qtensor> quantize_weight(any_tensor const& x, weight_scheme const& scheme, memory_ref memory = {},
                                    chosen_scales const* chosen = nullptr);

class Weight {
public:
    explicit Weight(extents const& shape) noexcept : shape_(shape), master_(declared(shape)) {}
    // Precondition: x is of a float type and aligned for it.
    Weight(any_tensor x) noexcept : shape_(x.shape()), master_(std::move(x)) {
        QUANTO_ASSERT(is_float_storage(master_->type()), "Weight: not of a float type");
    }
    Weight(any_qtensor q) noexcept
        : shape_(q.shape()),
          dtype_(q.parts().scale_type),
          scheme_(weight_scheme{q.type(), q.layout().is_whole() ? 0 : q.layout().group_size()}),
          quantized_(std::move(q)) {}

    extents const& shape() const noexcept { return shape_; }
    // The float type in which it was made: that of the master, or of the scales.
    dtype type() const noexcept { return master_ ? master_->type() : dtype_; }
    bool is_frozen() const noexcept { return !master_; }
    bool has_values() const noexcept {
        return (!master_ || nn::has_values(*master_)) && (!quantized_ || quantized_->has_values()) &&
               (!panels_ || panels_->has_values());
    }
    any_tensor const* master() const noexcept { return master_ ? &*master_ : nullptr; }
    // The portable quantized form; nothing where the weight is float, or has released it.
    any_qtensor const* quantized() const noexcept { return quantized_ ? &*quantized_ : nullptr; }
    panels const* prepared() const noexcept { return panels_ ? &*panels_ : nullptr; }
    std::optional<weight_scheme> const& scheme() const noexcept { return scheme_; }
    // Of the portable form, whether it is there or was released; of a float weight those of its type.
    double bits_per_weight() const noexcept;

    // What it would be in that scheme: nothing where there are no values, or it is frozen so already.
    // Errors: those of quantize_weight; invalid_argument where it is frozen as another type, or in groups of another size.
    result<std::optional<any_qtensor>> quantized_as(weight_scheme const& scheme) const;
    // Precondition: q is quantized_as(scheme) of this weight.
    void adopt(weight_scheme const& scheme, std::optional<any_qtensor> q) noexcept {
        if (is_frozen()) return;
        quantized_ = std::move(q);
        panels_.reset();
        scheme_ = scheme;
    }
    result<success> quantize(weight_scheme const& scheme);
    // New float values: of the same shape, and quantized as the old ones were; with these scales, if there are some.
    // Errors: shape_mismatch, type_mismatch, invalid_argument where it is frozen, those of quantize_weight.
    result<success> set(any_tensor x, chosen_scales const* chosen = nullptr);
    // Drops the master of a quantized weight; others stay float.
    void freeze() noexcept {
        if (!quantized_ || !master_) return;
        dtype_ = master_->type();
        master_.reset();
    }

    // Whether the panels of this weight are in the order of taps_first.hpp: of an 8-bit kernel of a convolution.
    bool has_taps_first() const noexcept { return scheme_ && scheme_->type.bits() == 8 && shape_.rank() > 2; }
    // Packs the quantized form, if that pays with this backend and it is not packed yet. Cost: one pass, and
    // as many bytes again. Errors: those of the backend; the weight is then what it was.
    result<success> prepare(backend_ref const& backend, memory_ref memory = {});
    // Gives up the portable form of a frozen weight that is prepared; others keep theirs.
    void release_portable() noexcept {
        if (is_frozen() && panels_ && panels_->has_values()) quantized_.reset();
    }
    // The portable form: a view of it, or unpacked where it was released. Precondition: quantized() or prepared().
    // Errors: out_of_memory.
    result<any_qtensor> portable(memory_ref memory = {}) const;
    // The same without unpacking: the parts have no bytes where it was released. Same precondition.
    qtensor_parts portable_parts() const noexcept;

private:
    extents shape_;
    dtype dtype_ = dtype::f32;
    std::optional<weight_scheme> scheme_;
    std::optional<any_tensor> master_;
    std::optional<any_qtensor> quantized_;
    std::optional<panels> panels_;
};

template <class M>
concept HasWeight = requires(M& m) {
    requires std::same_as<std::remove_const_t<decltype(m.weight)>, Weight>;
};
// Its weight is no operand of products: rows are looked up. Quantized where that is asked for, never prepared.
template <class M>
concept Table = HasWeight<M> && requires {
    requires M::is_table;
};

}  // namespace quanto::inline v0::nn

#if QUANTO_HAS_BODIES
#include <quanto/nn/weight.inl>
#endif
