#include "core/model/channels_last_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/script.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "core/model/layers.h"
#include "core/model/script_model.h"

namespace acclimate::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Rewritten(const std::string& text) {
  auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::parseIR(text, graph.get());
  return WithOwnConvolutions(*graph)->toString();
}

TEST(WithOwnConvolutions, ReplacesConvolutionsAndViews) {
  const std::string graph = Rewritten(R"IR(
graph(%x : Tensor, %w : Tensor):
  %none : NoneType = prim::Constant()
  %one : int = prim::Constant[value=1]()
  %no : bool = prim::Constant[value=0]()
  %pair : int[] = prim::ListConstruct(%one, %one)
  %a : Tensor = aten::conv2d(%x, %w, %none, %pair, %pair, %pair, %one)
  %b : Tensor = aten::_convolution(%a, %w, %none, %pair, %pair, %pair, %no, %pair, %one, %no, %no, %no, %no)
  %c : Tensor = aten::view(%b, %pair)
  return (%c))IR");
  EXPECT_THAT(graph, HasSubstr("acclimate::conv2d"));
  EXPECT_THAT(graph, HasSubstr("aten::reshape"));
  EXPECT_THAT(graph, Not(HasSubstr("aten::conv2d")));
  EXPECT_THAT(graph, Not(HasSubstr("aten::_convolution")));
  EXPECT_THAT(graph, Not(HasSubstr("aten::view")));
}

TEST(WithOwnConvolutions, LeavesTransposedConvolutions) {
  EXPECT_THAT(Rewritten(R"IR(
graph(%x : Tensor, %w : Tensor):
  %none : NoneType = prim::Constant()
  %one : int = prim::Constant[value=1]()
  %yes : bool = prim::Constant[value=1]()
  %pair : int[] = prim::ListConstruct(%one, %one)
  %b : Tensor = aten::convolution(%x, %w, %none, %pair, %pair, %pair, %yes, %pair, %one)
  return (%b))IR"),
              HasSubstr("aten::convolution"));
}

TEST(WithOwnConvolutions, LeavesAGraphThatWritesToATemporary) {
  EXPECT_THAT(Rewritten(R"IR(
graph(%x : Tensor, %w : Tensor):
  %none : NoneType = prim::Constant()
  %one : int = prim::Constant[value=1]()
  %pair : int[] = prim::ListConstruct(%one, %one)
  %a : Tensor = aten::conv2d(%x, %w, %none, %pair, %pair, %pair, %one)
  %b : Tensor = aten::view(%a, %pair)
  %c : Tensor = aten::add_(%b, %b, %one)
  return (%a))IR"),
              HasSubstr("aten::view"));
}

// Two convolutions and a classifier behind a view.
torch::jit::Module Network() {
  at::manual_seed(5);
  const LayerFactory layers;
  torch::jit::Module net = layers.Empty("Network");
  net.register_module("conv1", layers.Convolution({3, 8, 3, 1, 1}));
  net.register_module("conv2", layers.Convolution({8, 6, 3, 2, 1}));
  net.register_module("fc", layers.Linear(6 * 2 * 2, 5));
  net.define(R"(
def forward(self, x):
  x = torch.max_pool2d(torch.relu(self.conv1.forward(x)), [2, 2])
  x = self.conv2.forward(x)
  return self.fc.forward(x.view([x.size(0), -1]))
)");
  return net;
}

TEST(ScriptModelOnTheCpu, ComputesWhatTheModuleDoes) {
  torch::jit::Module module = Network();
  const at::Tensor inputs = at::randn({4, 3, 8, 8});
  const at::Tensor expected = module.forward({inputs}).toTensor();
  const auto model =
      ScriptModel::Create(module, {CheckpointForm::kTorchScript, "", {3, 8, 8}}).value();
  const ForwardResult result = model->Forward(inputs, Mode::kTraining);
  EXPECT_TRUE(at::allclose(result.logits, expected, 1e-5, 1e-6));
  // Features are in the order of the module's own view.
  EXPECT_TRUE(at::allclose(model->ClassifyFeatures(result.features), expected, 1e-5, 1e-6));
}

TEST(ScriptModelOnTheCpu, StoresKernelsChannelsLastAndSavesThemAsTheyCame) {
  const auto model =
      ScriptModel::Create(Network(), {CheckpointForm::kTorchScript, "", {3, 8, 8}}).value();
  const at::Tensor weight = model->StateDict().at("conv2.weight");
  EXPECT_TRUE(weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  const std::string path =
      ::testing::TempDir() + "channels_last_graph_test_" + std::to_string(getpid());
  ASSERT_TRUE(model->Save(path).ok());
  const torch::jit::Module saved = torch::jit::load(path);
  std::filesystem::remove(path);
  const at::Tensor stored = saved.attr("conv2").toModule().attr("weight").toTensor();
  EXPECT_TRUE(stored.is_contiguous());
  EXPECT_TRUE(stored.equal(weight));
}

}  // namespace
}  // namespace acclimate::model
