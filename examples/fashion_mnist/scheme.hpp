// In which types a network is quantized, whether it is tuned, and how it gets there.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <quanto/quanto.hpp>

#include "idx.hpp"
#include "training.hpp"

struct Scheme {
    std::optional<quanto::any_qtype> weights{}, activations{};
    bool tuned = false;

    // Of tuning; --rates compares others.
    template <class Network>
    float rate() const {
        return weights->is<quanto::qint2>() ? Network::qint2_rate : Network::qint4_rate;
    }
    std::string weights_name() const { return std::string(weights ? weights->name() : "float32"); }
    std::string activations_name() const { return std::string(activations ? activations->name() : "none"); }
    std::string folder_name() const {
        return weights_name() + (activations ? "-" + activations_name() : "") + (tuned ? "-tuned" : "");
    }
};

inline Scheme const schemes[] = {
    {},
    {.weights = quanto::qint8{}},
    {.weights = quanto::qint4{}},
    {.weights = quanto::qint2{}},
    {.weights = quanto::qfloat8_e4m3fn{}},
    {.weights = quanto::qfloat8_e4m3fnuz{}},
    {.weights = quanto::qfloat8_e5m2{}},
    {.weights = quanto::qint8{}, .activations = quanto::qint8{}},
    {.weights = quanto::qint8{}, .activations = quanto::qfloat8_e4m3fn{}},
    {.weights = quanto::qint4{}, .activations = quanto::qint8{}},
    {.weights = quanto::qint4{}, .activations = quanto::qfloat8_e4m3fn{}},
    {.weights = quanto::qint2{}, .activations = quanto::qint8{}},
    {.weights = quanto::qint4{}, .tuned = true},
    {.weights = quanto::qint4{}, .activations = quanto::qint8{}, .tuned = true},
    {.weights = quanto::qint2{}, .tuned = true},
    {.weights = quanto::qint2{}, .activations = quanto::qint8{}, .tuned = true},
};

// The training images, cut in two: a twelfth is held back to compare learning rates.
struct Images {
    Dataset training, validation;

    static quanto::result<Images> open(std::string const& folder) {
        auto const all = Dataset::open(folder, "train");
        if (!all) return all.error();
        std::size_t const held_back = all->size() / 12, rest = all->size() - held_back;
        if (rest < 1024) return quanto::error(quanto::errc::invalid_argument, folder, ": fewer images than are needed");
        return Images{all->slice(0, rest), all->slice(rest, held_back)};
    }
};

// The network in the scheme's types: calibrated on 1,024 images, tuned on all where the scheme says so, and frozen.
template <class Network>
quanto::result<Network> quantized(Network model, Scheme const& scheme, Dataset const& images, Training const& training,
                                  auto const& said) {
    if (auto done = quanto::quantize(model, {.weights = scheme.weights, .activations = scheme.activations}); !done)
        return done.error();
    if (scheme.activations) {
        quanto::Calibration calibrate{model};
        for (std::size_t first = 0; first != 1024; first += 128)
            if (auto y = model(images.images<Network>(first, 128)); !y) return y.error();
        if (auto done = calibrate.finish(); !done) return done.error();
    }
    if (scheme.tuned)
        if (auto done = train(model, images, training, said); !done) return done.error();
    quanto::freeze(model);
    return model;
}
