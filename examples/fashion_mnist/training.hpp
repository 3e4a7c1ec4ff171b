// Training on labelled images: epochs of random order, in batches of 128, with Adam under half a cosine.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <quanto/backend/thread_executor.hpp>
#include <quanto/quanto.hpp>

#include "idx.hpp"

struct Training {
    std::size_t epochs = 2;
    float learning_rate = 1e-3f;
    std::uint64_t seed = 5;
};

// Moves the model's parameters; `said(loss)` is called after each epoch with the mean loss over it.
template <class Model>
quanto::result<quanto::success> train(Model& model, Dataset const& images, Training const& training, auto const& said) {
    constexpr std::size_t batch = 128;
    std::size_t const steps = images.size() / batch;
    quanto::thread_executor executor;
    quanto::Tuner tune{model,
                       quanto::adam{.learning_rate = training.learning_rate},
                       {.schedule = quanto::schedule::cosine(training.epochs * steps), .executor = executor}};
    quanto::random_numbers numbers(training.seed);
    std::vector<std::uint32_t> order(images.size());
    std::iota(order.begin(), order.end(), 0u);
    std::vector<std::uint8_t> labels(batch);
    for (std::size_t epoch = 0; epoch != training.epochs; ++epoch) {
        numbers.shuffle(order.data(), order.size());
        double sum = 0;
        for (std::size_t i = 0; i != steps; ++i) {
            std::span<std::uint32_t const> const chosen(order.data() + i * batch, batch);
            for (std::size_t j = 0; j != batch; ++j) labels[j] = images.labels[chosen[j]];
            auto const loss = tune.step(images.images<Model>(chosen), labels);
            if (!loss) return loss.error();
            sum += static_cast<double>(*loss);
        }
        said(sum / static_cast<double>(steps));
    }
    return quanto::success{};
}
