// calibration_report = what a calibration saw and decided, per module, in the order of the model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <quanto/nn/recorder.hpp>

namespace quanto::inline v0 {

struct calibration_report {
    // Of the values that passed: their range, and the share that |x| > scale * qmax clips (to 1/1024 of the largest).
    struct side {
        std::optional<float> scale{};  // nothing: not seen, or zeros alone
        float lowest = 0.0f, highest = 0.0f;
        double clipped = 0.0;
        std::size_t count = 0;
    };
    struct row {
        std::string name;
        any_qtype type;
        side input{}, output{};
        bool output_quantized = false;
        std::string why{};  // the output is quantized, or is not
    };
    std::vector<row> rows;
};

namespace detail {
inline calibration_report::side side_of(nn::seen_values const& seen, std::optional<float> scale, any_qtype type) {
    calibration_report::side side{scale, seen.lowest, seen.highest};
    side.count = static_cast<std::size_t>(seen.magnitudes.total());
    float const qmax = type.visit([]<class Q>(Q) { return Q::qmax; });
    if (scale) side.clipped = seen.magnitudes.share_beyond(*scale * qmax);
    return side;
}
}  // namespace detail

}  // namespace quanto::inline v0
