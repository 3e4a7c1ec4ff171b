// An SVG of panels, one below the other, over a common logarithmic axis: y against x, a labelled dot for each point.
// A point far below the others is drawn at the lower edge as an arrow; its label tells its value.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

struct Panel {
    struct Point {
        double x = 0, y = 0;
        std::string label;
        bool hollow = false;
    };
    std::string title, y_label;
    bool logarithmic = false, from_zero = false;  // the y axis
    int digits = 1;                               // decimals of the values beside the labels
    std::vector<Point> points{};
};

class Chart {
public:
    Chart(std::string title, std::string x_label) : title_(std::move(title)), x_label_(std::move(x_label)) {}

    // Preconditions: every panel has points, positive where the axis is logarithmic.
    std::string draw(std::vector<Panel> const& panels) {
        double low = panels.front().points.front().x, high = low;
        for (auto const& panel : panels)
            for (auto const& p : panel.points) low = std::min(low, p.x), high = std::max(high, p.x);
        x_low_ = std::log2(low) - 0.2, x_high_ = std::log2(high) + 0.6;

        double const total = top_ + (height_ + gap_) * static_cast<double>(panels.size());
        svg_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + px(width_) + " " + px(total) +
               "\" font-family=\"sans-serif\" font-size=\"12\">\n";
        svg_ += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
        text(width_ / 2, 26, title_, "middle", "font-size=\"16\" font-weight=\"bold\"");
        double y = top_;
        for (auto const& panel : panels) {
            draw_panel(panel, y);
            y += height_ + gap_;
        }
        return svg_ + "</svg>\n";
    }

private:
    struct Label {
        double x, y, wanted;
        std::string text;
    };

    static std::string px(double v) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%.1f", v);
        return buffer;
    }
    static std::string value(double v, int digits) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%.*f", digits, v);
        return buffer;
    }
    static std::string escaped(std::string const& plain) {
        std::string out;
        for (char c : plain) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
        return out;
    }

    void text(double x, double y, std::string const& what, char const* anchor, std::string const& style = "") {
        svg_ += "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\" " + style + ">" +
                escaped(what) + "</text>\n";
    }
    void line(double x1, double y1, double x2, double y2, char const* colour) {
        svg_ += "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) +
                "\" stroke=\"" + colour + "\"/>\n";
    }
    double x_of(double x) const {
        return left_ + (std::log2(x) - x_low_) / (x_high_ - x_low_) * (width_ - left_ - right_);
    }

    // A step of 1, 2 or 5 times a power of ten that divides the range into 3 to 8 parts.
    static double step_of(double range) {
        double const power = std::pow(10.0, std::floor(std::log10(range / 3)));
        for (double factor : {5.0, 2.0})
            if (range / (factor * power) >= 3) return factor * power;
        return power;
    }

    static std::vector<double> ticks(Panel const& panel, double low, double high) {
        std::vector<double> at;
        if (!panel.logarithmic) {
            double const step = step_of(high - low);
            for (double v = std::ceil(low / step) * step; v <= high + step * 1e-6; v += step) at.push_back(v);
            return at;
        }
        for (double power = std::pow(10.0, std::floor(std::log10(low))); power <= high; power *= 10)
            for (double factor : {1.0, 2.0, 5.0})
                if (double const v = factor * power; v >= low && v <= high) at.push_back(v);
        return at;
    }

    void draw_panel(Panel const& panel, double y0) {
        // The range: all points but those that lie far below the middle half.
        std::vector<double> sorted;
        for (auto const& p : panel.points) sorted.push_back(p.y);
        std::sort(sorted.begin(), sorted.end());
        double const middle = sorted[sorted.size() / 2], spread = sorted.back() - middle;
        double high = sorted.back(), low = high;
        for (double v : sorted)
            if (panel.logarithmic || panel.from_zero || middle - v <= 20 * std::max(spread, 0.05))
                low = std::min(low, v);
        if (panel.logarithmic)
            low /= 1.4, high *= 1.4;
        else if (panel.from_zero)
            low = 0, high *= 1.15;
        else
            low -= 0.25 * std::max(high - low, 0.2), high += 0.15 * std::max(high - low, 0.2);

        double const y1 = y0 + height_;
        auto const scaled = [&](double v) { return panel.logarithmic ? std::log(v) : v; };
        auto const y_of = [&](double v) {
            return y1 - (scaled(v) - scaled(low)) / (scaled(high) - scaled(low)) * height_;
        };

        text(left_, y0 - 8, panel.title, "start", "font-weight=\"bold\"");
        for (double v : ticks(panel, low, high)) {
            line(left_, y_of(v), width_ - right_, y_of(v), "#e4e4e4");
            char label[32];
            std::snprintf(label, sizeof label, "%.4g", v);
            text(left_ - 6, y_of(v) + 4, label, "end");
        }
        for (int power = static_cast<int>(std::ceil(x_low_)); power <= x_high_; ++power) {
            double const x = x_of(std::exp2(power));
            line(x, y0, x, y1, "#f0f0f0");
            line(x, y1, x, y1 + 4, "black");
            text(x, y1 + 17, value(std::exp2(power), 0), "middle");
        }
        line(left_, y0, left_, y1, "black");
        line(left_, y1, width_ - right_, y1, "black");
        text(left_ + (width_ - left_ - right_) / 2, y1 + 33, x_label_, "middle");
        text(16, y0 + height_ / 2, panel.y_label, "middle",
             "transform=\"rotate(-90 16 " + px(y0 + height_ / 2) + ")\"");

        std::vector<Label> labels;
        for (auto const& p : panel.points) {
            bool const below = p.y < low;
            double const x = x_of(p.x), y = below ? y1 - 8 : y_of(p.y);
            std::string const colour = p.hollow ? "\" fill=\"white\" stroke=\"#b03a2e\" stroke-width=\"1.5\"/>\n"
                                                : "\" fill=\"#1f5a8a\" stroke=\"none\"/>\n";
            if (below)
                svg_ += "<path d=\"M" + px(x - 5) + " " + px(y - 4) + "h10l-5 10z" + colour;
            else
                svg_ += "<circle cx=\"" + px(x) + "\" cy=\"" + px(y) + "\" r=\"4" + colour;
            labels.push_back(
                {x, y, y, p.label + "  " + value(p.y, panel.digits) + (below ? " (below this scale)" : "")});
        }
        spread_labels(labels, y0, y1);
        for (auto const& l : labels) {
            line(l.x + 5, l.wanted, l.x + 14, l.y, "#a0a0a0");
            text(l.x + 17, l.y + 4, l.text, "start", "font-size=\"11\"");
        }
    }

    // Labels of one column (nearly the same x) keep their order and a line's distance, as near their dots as that
    // allows.
    static void spread_labels(std::vector<Label>& labels, double y0, double y1) {
        constexpr double distance = 13;
        std::sort(labels.begin(), labels.end(), [](Label const& a, Label const& b) {
            return std::abs(a.x - b.x) > 20 ? a.x < b.x : a.wanted < b.wanted;
        });
        for (std::size_t first = 0, last = 0; first != labels.size(); first = last) {
            while (last != labels.size() && std::abs(labels[last].x - labels[first].x) <= 20) ++last;
            // Down from the top, then up again from the bottom edge.
            double floor = y0 + 4;
            for (std::size_t i = first; i != last; ++i) {
                labels[i].y = std::max(labels[i].wanted, floor);
                floor = labels[i].y + distance;
            }
            double ceiling = y1 - 6;
            for (std::size_t i = last; i-- != first;) {
                labels[i].y = std::min(labels[i].y, ceiling);
                ceiling = labels[i].y - distance;
            }
        }
    }

    static constexpr double width_ = 900, left_ = 70, right_ = 20, top_ = 70, height_ = 230, gap_ = 75;
    std::string title_, x_label_, svg_;
    double x_low_ = 0, x_high_ = 1;
};
