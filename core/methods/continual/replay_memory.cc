#include "core/methods/continual/replay_memory.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace acclimate::methods {
namespace {

constexpr char kSlots[] = "slots";
constexpr char kInputs[] = "inputs";
constexpr char kLabels[] = "labels";
constexpr char kLogits[] = "logits";
constexpr char kSeen[] = "seen";

at::Tensor AsFloat(const at::Tensor& stored, double unit) {
  return stored.scalar_type() == at::kByte ? stored.to(at::kFloat) * unit : stored;
}

}  // namespace

ReplayMemory::ReplayMemory(int64_t capacity, int64_t classes)
    : reservoir_(capacity),
      slots_(at::full({capacity, 2}, -1, at::kLong)),
      logits_(at::zeros({capacity, classes})) {}

int64_t ReplayMemory::AddDataset(const data::Dataset& dataset) {
  datasets_.push_back(&dataset);
  return static_cast<int64_t>(datasets_.size()) - 1;
}

void ReplayMemory::Continue(int64_t kept, const at::Tensor& logits, int64_t seen) {
  const int64_t size = datasets_.at(kept)->size(), wanted = capacity();
  const int64_t capacity = seen > size ? std::min(wanted, size) : wanted;
  const int64_t used = std::min(size, capacity);
  const at::Tensor rows = at::randperm(size, at::kLong).slice(0, 0, used);
  reservoir_ = data::Reservoir(capacity, seen);
  slots_ = at::full({capacity, 2}, -1, at::kLong);
  logits_ = at::zeros({capacity, logits_.size(1)});
  slots_.slice(0, 0, used).select(1, 0).fill_(kept);
  slots_.slice(0, 0, used).select(1, 1).copy_(rows);
  logits_.slice(0, 0, used).copy_(logits.index_select(0, rows));
}

void ReplayMemory::Offer(int64_t dataset, const at::Tensor& rows, const at::Tensor& logits) {
  const at::Tensor places = reservoir_.Offer(rows.size(0));
  const at::Tensor on_cpu = logits.detach().to(at::kCPU, at::kFloat);
  for (int64_t i = 0; i < places.size(0); ++i) {
    const int64_t slot = places[i].item<int64_t>();
    if (slot < 0) continue;
    slots_[slot][0] = dataset;
    slots_[slot][1] = rows[i];
    logits_[slot].copy_(on_cpu[i]);
  }
}

ReplayMemory::Sample ReplayMemory::Draw(int64_t count, const at::Device& device) const {
  const at::Tensor drawn = at::randperm(size(), at::kLong).slice(0, 0, count);
  const at::Tensor slots = slots_.index_select(0, drawn);
  std::vector<at::Tensor> inputs, labels, order;
  for (size_t i = 0; i < datasets_.size(); ++i) {
    const at::Tensor places = slots.select(1, 0).eq(static_cast<int64_t>(i)).nonzero().select(1, 0);
    if (places.size(0) == 0) continue;
    data::Batch batch = datasets_[i]->Gather(slots.select(1, 1).index_select(0, places), device);
    inputs.push_back(std::move(batch.inputs));
    labels.push_back(std::move(batch.labels));
    order.push_back(drawn.index_select(0, places));
  }
  return {{at::cat(inputs), at::cat(labels)}, logits_.index_select(0, at::cat(order)).to(device)};
}

train::TensorMap ReplayMemory::Contents() const {
  train::TensorMap contents = {{kSeen, at::scalar_tensor(seen(), at::kLong)}};
  if (size() == 0) return contents;
  bool bytes = true;
  for (const data::Dataset* dataset : datasets_) {
    bytes = bytes && dataset->stored_type() == at::kByte;
  }
  std::vector<at::Tensor> inputs, labels;
  for (int64_t slot = 0; slot < size(); ++slot) {
    const data::Dataset& dataset = *datasets_.at(slots_[slot][0].item<int64_t>());
    const int64_t row = slots_[slot][1].item<int64_t>();
    const at::Tensor stored = dataset.StoredAt(slots_[slot].narrow(0, 1, 1))[0];
    inputs.push_back(bytes ? stored : AsFloat(stored, dataset.unit()));
    labels.push_back(dataset.labels()[row]);
  }
  contents[kInputs] = at::stack(inputs);
  contents[kLabels] = at::stack(labels);
  contents[kLogits] = logits_.slice(0, 0, size()).clone();
  return contents;
}

train::TensorMap ReplayMemory::State() const {
  return {{kSlots, slots_}, {kLogits, logits_}, {kSeen, at::scalar_tensor(seen(), at::kLong)}};
}

absl::Status ReplayMemory::Restore(const train::TensorMap& state) {
  const auto slots = state.find(kSlots), logits = state.find(kLogits);
  const absl::StatusOr<int64_t> seen = train::IntegerIn(state, kSeen);
  if (!seen.ok()) return seen.status();
  if (slots == state.end() || logits == state.end() || slots->second.sizes() != slots_.sizes() ||
      logits->second.sizes() != logits_.sizes()) {
    return absl::InvalidArgumentError("training state: no fitting memory");
  }
  slots_.copy_(slots->second);
  logits_.copy_(logits->second);
  reservoir_ = data::Reservoir(capacity(), *seen);
  return absl::OkStatus();
}

}  // namespace acclimate::methods
