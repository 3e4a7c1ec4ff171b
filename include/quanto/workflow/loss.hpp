// A loss says how wrong the rows y[r] of a result are, and which way is down:
//     cross_entropy        mean of -log softmax(y[r])[label[r]]                        target: a label per row
//     mean_squared_error   mean of (y - t)^2 over all elements                         target: t, a tensor as y
//     distillation         mean of T^2 KL(softmax(t[r] / T) || softmax(y[r] / T))      target: t, or t and labels
// loss(y, target, part, dy) is what this part of a batch adds to the mean; dy becomes its gradient.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <quanto/core/math.hpp>
#include <quanto/core/result.hpp>
#include <quanto/tensor/tensor.hpp>

namespace quanto::inline v0 {

// Samples first .. first + count of a batch of `total`. A sample may have several rows (one per token).
struct batch_part {
    std::size_t first, count, total;
};

template <class L, class Target>
concept Loss = requires(L const& loss, matrix_view<float const> y, Target const& target, batch_part part,
                        matrix_view<float> dy) {
    { loss(y, target, part, dy) } -> std::same_as<result<double>>;
};

namespace detail {
// log(sum of exp(row / T)), without overflow.
inline double log_sum_exp(float const* row, std::size_t n, double temperature = 1.0) noexcept {
    double largest = static_cast<double>(row[0]), sum = 0;
    for (std::size_t i = 1; i != n; ++i)
        if (double const x = static_cast<double>(row[i]); x > largest) largest = x;
    for (std::size_t i = 0; i != n; ++i) sum += math::exp((static_cast<double>(row[i]) - largest) / temperature);
    return largest / temperature + math::log(sum);
}
inline result<success> check_target(std::size_t found, std::size_t expected, char const* what) noexcept {
    if (found == expected) return success{};
    return error(errc::shape_mismatch, "the target has ", found, what, ", the batch needs ", expected);
}
}  // namespace detail

struct cross_entropy {
    float label_smoothing = 0.0f;  // the share of the target that is spread over all classes

    // labels: anything with size() and [], of integers 0 .. y.cols - 1.
    template <class Labels>
    requires requires(Labels const& labels) {
        { labels.size() } -> std::convertible_to<std::size_t>;
        { labels[0] } -> std::convertible_to<std::size_t>;
    }
    result<double> operator()(matrix_view<float const> y, Labels const& labels, batch_part part,
                              matrix_view<float> dy) const {
        std::size_t const rows = y.rows / part.count * part.total, offset = y.rows / part.count * part.first;
        if (auto ok = detail::check_target(labels.size(), rows, " labels"); !ok) return ok.error();
        double const share = 1.0 / static_cast<double>(rows), n = static_cast<double>(y.cols);
        double const smooth = static_cast<double>(label_smoothing);
        double loss = 0;
        for (std::size_t r = 0; r != y.rows; ++r) {
            auto const given = labels[offset + r];
            auto const label = static_cast<std::size_t>(given);
            if (label >= y.cols) {
                bool negative = false;
                if constexpr (std::is_signed_v<decltype(given)>) negative = given < 0;
                return error(errc::invalid_argument, "label ", offset + r, " is ", negative ? "-" : "",
                             negative ? 0 - label : label, ", there are ", y.cols, " classes");
            }
            float const* const row = y.row(r);
            double const total = detail::log_sum_exp(row, y.cols);
            for (std::size_t c = 0; c != y.cols; ++c) {
                double const log_p = static_cast<double>(row[c]) - total;
                double const target = smooth / n + (c == label ? 1.0 - smooth : 0.0);
                if (target != 0.0) loss -= target * log_p;
                dy(r, c) = static_cast<float>((math::exp(log_p) - target) * share);
            }
        }
        return loss * share;
    }
};

struct mean_squared_error {
    result<double> operator()(matrix_view<float const> y, Tensor<float> const& target, batch_part part,
                              matrix_view<float> dy) const {
        std::size_t const size = y.rows * y.cols, total = size / part.count * part.total;
        if (auto ok = detail::check_target(target.size(), total, " elements"); !ok) return ok.error();
        float const* t = target.data() + size / part.count * part.first;
        double const share = 1.0 / static_cast<double>(total);
        double loss = 0;
        for (std::size_t r = 0; r != y.rows; ++r)
            for (std::size_t c = 0; c != y.cols; ++c) {
                double const d = static_cast<double>(y(r, c)) - static_cast<double>(*t++);
                loss += d * d;
                dy(r, c) = static_cast<float>(2.0 * d * share);
            }
        return loss * share;
    }
};

// What a teacher says and what is true.
template <class Labels>
struct taught {
    Tensor<float> const& teacher;
    Labels const& labels;
};
template <class Labels>
taught(Tensor<float> const&, Labels const&) -> taught<Labels>;

struct distillation {
    float temperature = 4.0f;
    float label_share = 0.1f;  // of cross entropy with the labels, where there are some

    result<double> operator()(matrix_view<float const> y, Tensor<float> const& teacher, batch_part part,
                              matrix_view<float> dy) const {
        std::size_t const size = y.rows * y.cols, total = size / part.count * part.total;
        if (auto ok = detail::check_target(teacher.size(), total, " elements"); !ok) return ok.error();
        double const t = static_cast<double>(temperature),
                     share = static_cast<double>(y.cols) / static_cast<double>(total);
        double loss = 0;
        float const* taught_row = teacher.data() + size / part.count * part.first;
        for (std::size_t r = 0; r != y.rows; ++r, taught_row += y.cols) {
            float const* const row = y.row(r);
            double const sum_y = detail::log_sum_exp(row, y.cols, t);
            double const sum_t = detail::log_sum_exp(taught_row, y.cols, t);
            for (std::size_t c = 0; c != y.cols; ++c) {
                double const log_y = static_cast<double>(row[c]) / t - sum_y;
                double const log_t = static_cast<double>(taught_row[c]) / t - sum_t;
                loss += t * t * math::exp(log_t) * (log_t - log_y);
                dy(r, c) = static_cast<float>(t * (math::exp(log_y) - math::exp(log_t)) * share);
            }
        }
        return loss * share;
    }

    template <class Labels>
    result<double> operator()(matrix_view<float const> y, taught<Labels> const& target, batch_part part,
                              matrix_view<float> dy) const {
        auto hard = Tensor<float>::make({y.rows, y.cols});
        if (!hard) return hard.error();
        auto const truth = cross_entropy{}(y, target.labels, part, *hard);
        if (!truth) return truth;
        auto const soft = (*this)(y, target.teacher, part, dy);
        if (!soft) return soft;
        for (std::size_t r = 0; r != y.rows; ++r)
            for (std::size_t c = 0; c != y.cols; ++c) dy(r, c) += label_share * ((*hard)[r * y.cols + c] - dy(r, c));
        return *soft + static_cast<double>(label_share) * (*truth - *soft);
    }
};

}  // namespace quanto::inline v0
