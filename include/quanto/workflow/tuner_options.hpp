// tuner_options = what a Tuner moves, how, and who computes.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <quanto/backend/backend_ref.hpp>
#include <quanto/backend/executor.hpp>
#include <quanto/core/memory.hpp>
#include <quanto/workflow/schedule.hpp>

namespace quanto::inline v0 {

struct tuner_options {
    quanto::schedule schedule{};
    std::vector<std::string_view> include{"*"};  // modules whose parameters move; the others let gradients through
    std::vector<std::string_view> exclude{};
    bool mask_clamped = false;     // weights and activations that quantizing clamped pass no gradient
    bool learn_scales = false;     // of weights and calibrated activations (LSQ); masks what is clamped, too
    float scale_rate = 1.0f;       // learned scales: their share of the learning rate
    bool batch_statistics = true;  // modules that move normalize by the batch's; otherwise by the running ones
    float clip_norm = 0.0f;        // the largest norm of all gradients together; 0: any
    std::size_t shards = 4;
    std::optional<executor_ref> executor{};  // runs the shards, so a backend here must not use it
    std::optional<backend_ref> backend{};
    memory_ref memory{};  // the parameters stay in it; with an executor: of any thread
};

}  // namespace quanto::inline v0
