// Embedding: y[.., :] = w[ids[..], :]; w is (rows, features), ids any shape of any integer type, y ids.shape +
// (features). A quantized table is looked up as it is: only the rows asked for are dequantized.
#pragma once

#include <concepts>
#include <utility>

#include <quanto/nn/module.hpp>
#include <quanto/nn/weight.hpp>

namespace quanto::inline v0::nn {

struct Embedding {
    static constexpr bool is_table = true;

    Weight weight;

    // Declared only: load values, or set them.
    Embedding(std::size_t rows, std::size_t features) : weight(extents{rows, features}) {}
    // Precondition: w is (rows, features), of a float type.
    explicit Embedding(any_tensor w) noexcept : weight(std::move(w)) {}

    std::size_t rows() const noexcept { return weight.shape().front(); }
    std::size_t features() const noexcept { return weight.shape().back(); }

    static void parameters(auto& self, auto&& each) { each("weight", self.weight); }

    // Errors: an id beyond the table; a table without values, or prepared alone. Precondition: the context outlives
    // what is computed.
    template <std::integral I>
    Activation operator()(tensor_view<I const> ids, context const* where = nullptr) const {
        if (weight.shape().rank() != 2 || !weight.has_values() || (weight.is_frozen() && weight.quantized() == nullptr))
            return error(errc::missing, "Embedding (", rows(), ", ", features(), "): no table, or no portable one");
        if (ids.shape().rank() == extents::max_rank)
            return error(errc::shape_mismatch, "Embedding: ids of 8 dimensions");
        for (std::size_t i = 0; i != ids.size(); ++i)
            if (!std::in_range<std::size_t>(ids[i]) || static_cast<std::size_t>(ids[i]) >= rows())
                return error(errc::invalid_argument, "Embedding: the id at index ", i, " is not one of ", rows());
        extents shape = ids.shape();
        shape.push_back(features());
        auto const memory = where != nullptr ? where->memory : memory_ref();
        auto y = Tensor<float>::make(shape, memory);
        if (!y) return y.error().within("Embedding");
        for (std::size_t i = 0; i != ids.size(); ++i)
            look_up(static_cast<std::size_t>(ids[i]), y->data() + i * features());
        Activation out = Activation(std::move(*y)).in(where);
        if (out.tape() == nullptr || !out.tape()->watches(&weight)) return out;
        auto rows_read = Tensor<std::size_t>::make(ids.shape(), memory);
        if (!rows_read) return rows_read.error().within("Embedding");
        for (std::size_t i = 0; i != ids.size(); ++i) (*rows_read)[i] = static_cast<std::size_t>(ids[i]);
        return recorded(std::move(out),
                        [this, from = std::move(*rows_read), memory](Tape& tape, Tensor<float> const& dy) {
                            auto dw = Tensor<float>::make(weight.shape(), memory);
                            if (dw)
                                for (std::size_t i = 0, n = features(); i != from.size(); ++i)
                                    for (std::size_t j = 0; j != n; ++j) (*dw)[from[i] * n + j] += dy[i * n + j];
                            return tape.add_to(&weight, std::move(dw));
                        });
    }
    template <std::integral I>
    Activation operator()(Tensor<I> const& ids, context const* where = nullptr) const {
        return (*this)(ids.view(), where);
    }

private:
    void look_up(std::size_t row, float* out) const noexcept {
        std::size_t const n = features();
        if (auto const* const q = weight.quantized())
            q->visit([&](auto const& table) {
                for (std::size_t i = 0; i != n; ++i) out[i] = table[row * n + i];
            });
        else
            for (std::size_t i = 0; i != n; ++i) out[i] = (*weight.master())[row * n + i];
    }
};

}  // namespace quanto::inline v0::nn
