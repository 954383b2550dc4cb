#include "core/model/architectures.h"

#include <ATen/ATen.h>
#include <torch/script.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/io/shape_text.h"
#include "core/model/layers.h"
#include "core/model/resnet.h"
#include "core/model/script_model.h"

namespace acclimate::model {
namespace {

using torch::jit::Module;
using Shape = std::vector<int64_t>;

constexpr int64_t kBottleneckWidth = 256;  // SHOT (Liang et al. 2020) and TLlib

// Linear and batch norm before the classifier, so that methods that move batch-norm layers or
// freeze the head have both.
Module Bottleneck(const LayerFactory& layers, int64_t in) {
  return layers.Sequence({layers.Linear(in, kBottleneckWidth), layers.BatchNorm(kBottleneckWidth)});
}

// LeNet for digits as TLlib and CDAN's code have it, with a bottleneck.
Module BuildLeNet(const Shape& shape, int64_t classes) {
  const LayerFactory layers;
  const auto pooled = [](int64_t size) { return ((size - 4) / 2 - 4) / 2; };
  Module net = layers.Empty("LeNet");
  net.register_module("conv1", layers.Convolution({shape[0], 20, 5}));
  net.register_module("conv2", layers.Convolution({20, 50, 5}));
  net.register_module("fc1", layers.Linear(50 * pooled(shape[1]) * pooled(shape[2]), 500));
  net.register_module("bottleneck", Bottleneck(layers, 500));
  net.register_module("fc", layers.Linear(kBottleneckWidth, classes));
  net.define(R"(
def forward(self, x):
  x = torch.relu(torch.max_pool2d(self.conv1.forward(x), [2, 2]))
  x = torch.feature_dropout(self.conv2.forward(x), 0.5, self.training)
  x = torch.flatten(torch.relu(torch.max_pool2d(x, [2, 2])), 1)
  x = torch.dropout(torch.relu(self.fc1.forward(x)), 0.5, self.training)
  x = torch.relu(self.bottleneck.forward(x))
  return self.fc.forward(x)
)");
  return net;
}

// DTNBase of SHOT's code (Liang et al. 2020) with its bottleneck.
Module BuildDtn(const Shape& shape, int64_t classes) {
  const LayerFactory layers;
  const auto strided = [](int64_t size) { return (((size + 1) / 2 + 1) / 2 + 1) / 2; };
  Module net = layers.Empty("DTN");
  int64_t width = shape[0];
  for (const int64_t stage : {1, 2, 3}) {
    const int64_t out = 32 << stage;
    net.register_module(absl::StrCat("conv", stage), layers.Convolution({width, out, 5, 2, 2}));
    net.register_module(absl::StrCat("bn", stage), layers.BatchNorm(out));
    width = out;
  }
  net.register_module("bottleneck",
                      Bottleneck(layers, width * strided(shape[1]) * strided(shape[2])));
  net.register_module("fc", layers.Linear(kBottleneckWidth, classes));
  net.define(R"(
def forward(self, x):
  x = self.bn1.forward(self.conv1.forward(x))
  x = torch.relu(torch.feature_dropout(x, 0.1, self.training))
  x = self.bn2.forward(self.conv2.forward(x))
  x = torch.relu(torch.feature_dropout(x, 0.3, self.training))
  x = self.bn3.forward(self.conv3.forward(x))
  x = torch.relu(torch.feature_dropout(x, 0.5, self.training))
  x = self.bottleneck.forward(torch.flatten(x, 1))
  return self.fc.forward(torch.dropout(x, 0.5, self.training))
)");
  return net;
}

// Four blocks of a convolution to 64 channels, batch norm and ReLU, averaged over places: the
// network of few-shot papers (Vinyals et al. 2016).
Module FourBlocks(const char* name, int64_t stride, const char* forward, const Shape& shape,
                  int64_t classes) {
  const LayerFactory layers;
  constexpr int64_t kWidth = 64;
  Module net = layers.Empty(name);
  int64_t width = shape[0];
  for (const int64_t block : {1, 2, 3, 4}) {
    net.register_module(absl::StrCat("conv", block),
                        layers.Convolution({width, kWidth, 3, stride, 1}));
    net.register_module(absl::StrCat("bn", block), layers.BatchNorm(kWidth));
    width = kWidth;
  }
  net.register_module("fc", layers.Linear(kWidth, classes));
  net.define(forward);
  return net;
}

// Strided, as MAML's code has it for Omniglot.
Module BuildConv4(const Shape& shape, int64_t classes) {
  return FourBlocks("Conv4", 2, R"(
def forward(self, x):
  x = torch.relu(self.bn1.forward(self.conv1.forward(x)))
  x = torch.relu(self.bn2.forward(self.conv2.forward(x)))
  x = torch.relu(self.bn3.forward(self.conv3.forward(x)))
  x = torch.relu(self.bn4.forward(self.conv4.forward(x)))
  return self.fc.forward(torch.mean(x, [2, 3]))
)",
                    shape, classes);
}

// With max pooling instead of strides: four times the work, and much better at textures.
Module BuildConv4Pooled(const Shape& shape, int64_t classes) {
  return FourBlocks("Conv4Pooled", 1, R"(
def forward(self, x):
  x = torch.max_pool2d(torch.relu(self.bn1.forward(self.conv1.forward(x))), [2, 2])
  x = torch.max_pool2d(torch.relu(self.bn2.forward(self.conv2.forward(x))), [2, 2])
  x = torch.max_pool2d(torch.relu(self.bn3.forward(self.conv3.forward(x))), [2, 2])
  x = torch.max_pool2d(torch.relu(self.bn4.forward(self.conv4.forward(x))), [2, 2])
  return self.fc.forward(torch.mean(x, [2, 3]))
)",
                    shape, classes);
}

// Two hidden layers of 512 with batch norm and a bottleneck, for vectors; other shapes are
// flattened.
Module BuildMlp(const Shape& shape, int64_t classes) {
  const LayerFactory layers;
  constexpr int64_t kHidden = 512;
  const int64_t inputs =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
  Module net = layers.Empty("MLP");
  net.register_module("fc1", layers.Linear(inputs, kHidden));
  net.register_module("bn1", layers.BatchNorm(kHidden));
  net.register_module("fc2", layers.Linear(kHidden, kHidden));
  net.register_module("bn2", layers.BatchNorm(kHidden));
  net.register_module("bottleneck", Bottleneck(layers, kHidden));
  net.register_module("fc", layers.Linear(kBottleneckWidth, classes));
  net.define(R"(
def forward(self, x):
  x = torch.relu(self.bn1.forward(self.fc1.forward(torch.flatten(x, 1))))
  x = torch.relu(self.bn2.forward(self.fc2.forward(x)))
  x = torch.relu(self.bottleneck.forward(x))
  return self.fc.forward(x)
)");
  return net;
}

Module BuildResNet18(const Shape& shape, int64_t classes) {
  return BuildResNet(ResNetDepth::k18, shape[0], classes);
}

Module BuildResNet50(const Shape& shape, int64_t classes) {
  return BuildResNet(ResNetDepth::k50, shape[0], classes);
}

struct Architecture {
  const char* name;
  int64_t minimum_size;  // of H and W; 0: takes vectors
  Module (*build)(const Shape& shape, int64_t classes);
};

// Sorted by name. The minima are what the layers need: two 5x5 convolutions and poolings (lenet),
// three or four strides or poolings that must leave something to normalise (dtn, conv4,
// conv4_pooled), five halvings (resnet).
constexpr Architecture kArchitectures[] = {
    {"conv4", 8, &BuildConv4},
    {"conv4_pooled", 16, &BuildConv4Pooled},
    {"dtn", 8, &BuildDtn},
    {"lenet", 16, &BuildLeNet},
    {"mlp", 0, &BuildMlp},
    {"resnet18", 32, &BuildResNet18},
    {"resnet50", 32, &BuildResNet50},
};

absl::Status CheckShape(const Architecture& architecture, const Shape& shape) {
  const std::string given = io::ShapeText(shape);
  if (shape.empty() || *std::min_element(shape.begin(), shape.end()) < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(architecture.name, " needs a sample shape of positive sizes, not ", given));
  }
  constexpr int64_t kMaxElements = int64_t{1} << 28;  // a gigabyte a sample: a mistake
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(elements, size, &elements) || elements > kMaxElements) {
      return absl::InvalidArgumentError(absl::StrCat("samples of shape ", given, " are too large"));
    }
  }
  const int64_t minimum = architecture.minimum_size;
  if (minimum == 0) return absl::OkStatus();
  if (shape.size() != 3 || shape[1] < minimum || shape[2] < minimum) {
    return absl::InvalidArgumentError(
        absl::StrCat(architecture.name, " takes images [channels, height, width] of at least ",
                     minimum, "x", minimum, "; the samples have shape ", given));
  }
  return absl::OkStatus();
}

std::map<std::string, at::Tensor> NamedTensors(const Module& module) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& parameter : module.named_parameters()) {
    tensors[parameter.name] = parameter.value;
  }
  for (const auto& buffer : module.named_buffers()) tensors[buffer.name] = buffer.value;
  return tensors;
}

}  // namespace

const std::vector<std::string>& ArchitectureNames() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>;
    for (const Architecture& architecture : kArchitectures) list->push_back(architecture.name);
    return list;
  }();
  return *names;
}

absl::StatusOr<std::unique_ptr<Model>> BuildArchitecture(const ArchitectureOptions& options,
                                                         CheckpointForm form, StoredForm stored,
                                                         std::vector<std::string> warnings) {
  const auto* architecture =
      std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                   [&](const Architecture& known) { return options.name == known.name; });
  if (architecture == std::end(kArchitectures)) {
    return absl::InvalidArgumentError(absl::StrCat("unknown architecture \"", options.name,
                                                   "\"; there are ",
                                                   absl::StrJoin(ArchitectureNames(), ", ")));
  }
  if (options.num_classes < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a classifier needs at least two classes, not ", options.num_classes));
  }
  if (absl::Status status = CheckShape(*architecture, options.sample_shape); !status.ok()) {
    return status;
  }
  return ScriptModel::Create(
      architecture->build(options.sample_shape, options.num_classes),
      {form, options.name, options.sample_shape, nullptr, std::move(warnings), std::move(stored)});
}

std::vector<std::string> ArchitecturesNamed(const std::map<std::string, at::Tensor>& state) {
  std::vector<std::string> fitting;
  const auto counts_batches = [](const std::string& name) {
    return absl::EndsWith(name, "num_batches_tracked");
  };
  // Names do not depend on the shape, and this one fits them all.
  for (const Architecture& architecture : kArchitectures) {
    const std::map<std::string, at::Tensor> own = NamedTensors(architecture.build({1, 32, 32}, 2));
    const auto in_own = [&](const auto& entry) { return own.count(entry.first) > 0; };
    const auto in_state = [&](const auto& entry) {
      return counts_batches(entry.first) || state.count(entry.first) > 0;
    };
    if (std::all_of(state.begin(), state.end(), in_own) &&
        std::all_of(own.begin(), own.end(), in_state)) {
      fitting.push_back(architecture.name);
    }
  }
  return fitting;
}

}  // namespace acclimate::model
