// One row of the result: a scheme, what it costs and what it keeps. As Markdown for people, as JSON for programs.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <quanto/io/json.hpp>

struct Row {
    std::string model;                              // "mlp", "cnn", "mnist"
    std::string weights, activations;               // names of qtypes, "float32", "none"
    bool tuned = false;                             // quantization-aware training came before freezing
    std::string folder{};                           // empty: not kept
    std::size_t bytes = 0;                          // of model.safetensors
    double bits_per_weight = 0;                     // codes, scales and shifts over the number of weights
    double top1 = 0, agreement = 0;                 // per cent of the test images; agreement with the float network
    double weights_db = 0, logits_db = 0;           // signal to quantization noise
    double latency_b1_us = 0, latency_b256_us = 0;  // per image
};

// A number with `digits` decimals; `otherwise` where there is none (the noise of what was not quantized).
inline std::string decimal(double value, int digits, std::string_view otherwise) {
    if (!std::isfinite(value)) return std::string(otherwise);
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

inline std::string to_markdown(std::vector<Row> const& rows) {
    std::vector<std::vector<std::string>> cells = {
        {"weights", "activations", "tuned", "file, bytes", "bits per weight", "top-1, %", "same as float, %",
         "SQNR weights, dB", "SQNR logits, dB", "us per image, batch 1", "us per image, batch 256"}};
    for (auto const& r : rows)
        cells.push_back({r.weights, r.activations, r.tuned ? "yes" : "no", std::to_string(r.bytes),
                         decimal(r.bits_per_weight, 2, "-"), decimal(r.top1, 2, "-"), decimal(r.agreement, 2, "-"),
                         decimal(r.weights_db, 1, "-"), decimal(r.logits_db, 1, "-"), decimal(r.latency_b1_us, 1, "-"),
                         decimal(r.latency_b256_us, 2, "-")});
    std::vector<std::size_t> width(cells.front().size());
    for (auto const& line : cells)
        for (std::size_t c = 0; c != line.size(); ++c) width[c] = std::max(width[c], line[c].size());

    std::string text;
    for (std::size_t l = 0; l != cells.size(); ++l) {
        for (std::size_t c = 0; c != width.size(); ++c) {
            std::string const pad(width[c] - cells[l][c].size(), ' ');
            text += c < 3 ? "| " + cells[l][c] + pad + " " : "| " + pad + cells[l][c] + " ";
        }
        text += "|\n";
        if (l != 0) continue;
        for (std::size_t c = 0; c != width.size(); ++c)
            text += "| " + std::string(width[c] - 1, '-') + (c < 3 ? "- " : ": ");
        text += "|\n";
    }
    return text;
}

inline std::string to_json(std::vector<Row> const& rows) {
    std::string text = "[";
    bool first = true;
    auto const key = [&](std::string_view name) {
        text += first ? "" : ", ";
        first = false;
        text += quanto::io::json_string(name);
        text += ": ";
    };
    auto const string = [&](std::string_view name, std::string_view value) {
        key(name);
        text += quanto::io::json_string(value);
    };
    auto const number = [&](std::string_view name, double value) {
        key(name);
        text += decimal(value, 4, "null");
    };
    for (auto const& r : rows) {
        text += &r == rows.data() ? "\n  {" : ",\n  {";
        first = true;
        string("model", r.model);
        string("weights", r.weights);
        string("activations", r.activations);
        key("tuned");
        text += r.tuned ? "true" : "false";
        key("bytes");
        text += std::to_string(r.bytes);
        number("bits_per_weight", r.bits_per_weight);
        number("top1", r.top1);
        number("agreement", r.agreement);
        number("sqnr_db", r.logits_db);
        number("latency_b1_us", r.latency_b1_us);
        number("latency_b256_us", r.latency_b256_us);
        string("folder", r.folder);
        text += "}";
    }
    return text += "\n]\n";
}
