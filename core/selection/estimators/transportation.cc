#include "core/selection/estimators/transportation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace acclimate::selection {
namespace {

constexpr int64_t kUnits = int64_t{1} << 20;  // the mass of one sample
constexpr double kFar = std::numeric_limits<double>::infinity();

// The capacities of the classes in units, samples * kUnits together: those cut most are rounded up.
std::vector<int64_t> Capacities(const at::Tensor& shares, int64_t samples) {
  const at::Tensor wanted =
      shares / shares.sum() * static_cast<double>(samples) * static_cast<double>(kUnits);
  const at::Tensor whole = wanted.floor();
  std::vector<int64_t> capacities;
  for (int64_t c = 0; c < whole.size(0); ++c) {
    capacities.push_back(static_cast<int64_t>(whole[c].item<double>()));
  }
  const at::Tensor order = (whole - wanted).argsort();
  int64_t left =
      samples * kUnits - std::accumulate(capacities.begin(), capacities.end(), int64_t{0});
  for (int64_t i = 0; left > 0; i = (i + 1) % whole.size(0), --left) {
    ++capacities[order[i].item<int64_t>()];
  }
  return capacities;
}

class Network {
 public:
  Network(const at::Tensor& scores, const std::vector<int64_t>& capacities)
      : scores_(scores),
        s_(scores_.data_ptr<double>()),
        classes_(scores_.size(1)),
        members_(classes_),
        exchanges_(classes_ * classes_),
        surplus_(classes_),
        prices_(classes_, 0.0) {
    const at::Tensor best = scores_.argmax(1).contiguous();
    for (int64_t i = 0; i < scores_.size(0); ++i) {
      members_[best.data_ptr<int64_t>()[i]].push_back({i, kUnits});
    }
    for (int64_t c = 0; c < classes_; ++c) {
      surplus_[c] = static_cast<int64_t>(members_[c].size()) * kUnits - capacities[c];
      for (int64_t other = 0; other < classes_; ++other) FindExchange(c, other);
    }
  }

  // One path; false: every class has what it may hold.
  bool Augment() {
    const int64_t end = ShortestPaths();
    if (end < 0) return false;
    int64_t units = -surplus_[end], begin = end;
    for (; previous_[begin] >= 0; begin = previous_[begin]) {
      units = std::min(units, Find(previous_[begin], SampleOn(begin))->units);
    }
    units = std::min(units, surplus_[begin]);
    surplus_[begin] -= units;
    surplus_[end] += units;
    // The samples of all arcs first: to move one may change those of the arcs that follow.
    std::vector<int64_t> samples;
    for (int64_t c = end; previous_[c] >= 0; c = previous_[c]) samples.push_back(SampleOn(c));
    size_t arc = 0;
    for (int64_t c = end; previous_[c] >= 0; c = previous_[c]) {
      Move(samples[arc++], previous_[c], c, units);
    }
    return true;
  }

  const std::vector<double>& prices() const { return prices_; }

 private:
  struct Member {
    int64_t sample, units;
  };
  // What it costs to move the member of one class that costs least into another.
  struct Exchange {
    double cost = kFar;
    int64_t sample = -1;
  };

  Exchange& At(int64_t from, int64_t to) { return exchanges_[from * classes_ + to]; }
  int64_t SampleOn(int64_t to) { return At(previous_[to], to).sample; }

  double Cost(int64_t sample, int64_t from, int64_t to) const {
    return s_[sample * classes_ + from] - s_[sample * classes_ + to];
  }

  Member* Find(int64_t of, int64_t sample) {
    for (Member& member : members_[of]) {
      if (member.sample == sample) return &member;
    }
    return nullptr;
  }

  void Offer(int64_t from, int64_t to, int64_t sample) {
    const double cost = Cost(sample, from, to);
    if (cost < At(from, to).cost) At(from, to) = {cost, sample};
  }

  void FindExchange(int64_t from, int64_t to) {
    At(from, to) = {};
    if (from == to) return;
    for (const Member& member : members_[from]) Offer(from, to, member.sample);
  }

  void Move(int64_t sample, int64_t from, int64_t to, int64_t units) {
    if (Member* const there = Find(to, sample)) {
      there->units += units;
    } else {
      members_[to].push_back({sample, units});
      for (int64_t other = 0; other < classes_; ++other) {
        if (other != to) Offer(to, other, sample);
      }
    }
    Member* const here = Find(from, sample);
    here->units -= units;
    if (here->units > 0) return;
    *here = members_[from].back();
    members_[from].pop_back();
    for (int64_t other = 0; other < classes_; ++other) {
      if (At(from, other).sample == sample) FindExchange(from, other);
    }
  }

  // Dijkstra from all classes with a surplus, over costs that the prices make >= 0, to the nearest
  // class with room; that one, or -1 without. Afterwards previous_ are the paths, and costs along
  // them are 0.
  int64_t ShortestPaths() {
    std::vector<double> distance(classes_, kFar);
    std::vector<bool> done(classes_, false);
    previous_.assign(classes_, -1);
    for (int64_t c = 0; c < classes_; ++c) {
      if (surplus_[c] > 0) distance[c] = 0;
    }
    int64_t end = -1;
    while (end < 0) {
      int64_t nearest = -1;
      for (int64_t c = 0; c < classes_; ++c) {
        if (!done[c] && distance[c] < kFar && (nearest < 0 || distance[c] < distance[nearest])) {
          nearest = c;
        }
      }
      if (nearest < 0) return -1;
      done[nearest] = true;
      if (surplus_[nearest] < 0) {
        end = nearest;
        break;
      }
      for (int64_t to = 0; to < classes_; ++to) {
        const Exchange& exchange = At(nearest, to);
        if (done[to] || exchange.sample < 0) continue;
        // Rounding alone makes a reduced cost negative.
        const double reduced = std::max(0.0, exchange.cost + prices_[nearest] - prices_[to]);
        if (distance[nearest] + reduced < distance[to]) {
          distance[to] = distance[nearest] + reduced;
          previous_[to] = nearest;
        }
      }
    }
    for (int64_t c = 0; c < classes_; ++c) prices_[c] += std::min(distance[c], distance[end]);
    return end;
  }

  const at::Tensor scores_;
  const double* const s_;  // of scores_
  const int64_t classes_;
  std::vector<std::vector<Member>> members_;  // by class
  std::vector<Exchange> exchanges_;           // [C, C]
  std::vector<int64_t> surplus_;              // units above what a class may hold
  std::vector<double> prices_;
  std::vector<int64_t> previous_;  // class before it on the shortest path
};

}  // namespace

Transportation Transport(const at::Tensor& scores, const at::Tensor& shares) {
  const at::Tensor s = scores.to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor q = shares.to(at::kCPU, at::kDouble);
  Network network(s, Capacities(q, s.size(0)));
  while (network.Augment()) {
  }
  Transportation transportation;
  transportation.prices = at::tensor(network.prices(), at::kDouble);
  transportation.value = (std::get<0>((s + transportation.prices).max(1)).mean() -
                          (q / q.sum()).dot(transportation.prices))
                             .item<double>();
  return transportation;
}

}  // namespace acclimate::selection
