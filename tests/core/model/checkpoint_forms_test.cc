// Checkpoints as other people's scripts leave them: read, computed in float, and given back as they
// came; or refused in one sentence that says what mends them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/core/model/python_fixture.h"

namespace acclimate::model {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::vector<int64_t> kVector = {8};
const std::vector<int64_t> kPicture = {3, 16, 16};

// Those of checkpoint_forms.py.
PythonFiles& Forms() {
  static PythonFiles files("checkpoint_forms", ACCLIMATE_PYTHON,
                           [] { return std::filesystem::exists(ACCLIMATE_PYTHON); });
  return files;
}

class CheckpointFormsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Forms().available()) GTEST_SKIP() << "no Python with torch at " << ACCLIMATE_PYTHON;
  }
  static absl::StatusOr<std::unique_ptr<Model>> LoadForm(const std::string& name,
                                                         const LoadOptions& options) {
    return Load(Forms().Path(name), options);
  }
  static std::string Refusal(const std::string& name, const LoadOptions& options) {
    const auto model = LoadForm(name, options);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(model.status().message()), Not(HasSubstr("\n")));
    return std::string(model.status().message());
  }
  static at::Tensor Logits(Model& model, const at::Tensor& inputs) {
    const at::NoGradGuard no_grad;
    return model.Forward(inputs, Mode::kEvaluation).logits;
  }
};

struct StateForm {
  const char* name;      // of the .pth
  const char* expected;  // whose logits it has
  const char* keys;      // of the saved file, as checkpoint_forms.py takes them
  const char* prefix;
  float tolerance;
};

class StateFormsTest : public CheckpointFormsTest,
                       public ::testing::WithParamInterface<StateForm> {};

TEST_P(StateFormsTest, IsReadAndGivenBackAsItCame) {
  const StateForm& form = GetParam();
  const auto model = LoadForm(absl::StrCat(form.name, ".pth"), {"mlp", kVector});
  ASSERT_TRUE(model.ok()) << model.status();
  const Tensors expected = ReadExpected(Forms().Path(absl::StrCat(form.expected, ".expected.pt")));
  EXPECT_LE(Difference(Logits(**model, expected.at("inputs")), expected.at("logits")),
            form.tolerance);
  for (const Parameter& parameter : (*model)->parameters()) {
    EXPECT_EQ(parameter.tensor.scalar_type(), at::kFloat) << parameter.name;
  }
  const std::string saved = Forms().ScratchPath("saved.pth");
  ASSERT_TRUE((*model)->Save(saved).ok());
  Tensors state = (*model)->StateDict();
  const std::string name = form.name;
  for (auto& [tensor_name, tensor] : state) {
    if (!tensor.is_floating_point()) continue;
    if (name == "half") tensor = tensor.to(at::kHalf);
    if (name == "bfloat16") tensor = tensor.to(at::kBFloat16);
    if (name == "mixed" && absl::StartsWith(tensor_name, "fc.")) tensor = tensor.to(at::kDouble);
  }
  const std::string wanted = Forms().ScratchPath("saved.expected.pt");
  WriteExpected(wanted, state);
  EXPECT_TRUE(
      Forms().Run(absl::StrCat("check ", saved, " ", form.keys, " ", form.prefix, " ", wanted)));
  const auto again = Load(saved, {"mlp", kVector});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(
      Difference(Logits(**again, expected.at("inputs")), Logits(**model, expected.at("inputs"))),
      0);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, StateFormsTest,
    ::testing::Values(
        StateForm{"plain", "mlp", "-", "-", 1e-5}, StateForm{"module", "mlp", "-", "module.", 1e-5},
        StateForm{"compiled", "mlp", "-", "_orig_mod.", 1e-5},
        StateForm{"nested_prefixes", "mlp", "-", "module._orig_mod.model.", 1e-5},
        StateForm{"lightning", "mlp", "state_dict", "model.", 1e-5},
        StateForm{"net", "net", "net", "-", 1e-5},
        StateForm{"deep", "net", "trainer/weights/net", "-", 1e-5},
        StateForm{"legacy", "net", "-", "-", 1e-5},
        StateForm{"legacy_nested", "net", "state_dict", "module.", 1e-5},
        StateForm{"half", "net", "-", "-", 1e-2}, StateForm{"bfloat16", "net", "-", "-", 1e-1},
        StateForm{"mixed", "net", "-", "-", 1e-5}, StateForm{"shared", "net", "-", "-", 1e-5}),
    [](const auto& info) { return info.param.name; });

TEST_F(CheckpointFormsTest, WhatIsLeftOutOrRoundedIsSaid) {
  const auto warnings = [](const std::string& name) {
    const auto model = LoadForm(name, {"mlp", kVector});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? (*model)->warnings() : std::vector<std::string>();
  };
  EXPECT_THAT(warnings("lightning.pth"), Contains(HasSubstr("criterion.weight")));
  EXPECT_THAT(warnings("lightning.pth"), Contains(HasSubstr("\"hyper_parameters\"")));
  EXPECT_THAT(warnings("net.pth"), Contains(HasSubstr("\"optimizer\"")));
  EXPECT_THAT(warnings("half.pth"), Contains(HasSubstr("float16 in the checkpoint")));
  EXPECT_THAT(warnings("mixed.pth"), Contains(HasSubstr("2 tensors are float64")));
  EXPECT_THAT(warnings("legacy.pth"), Contains(HasSubstr("before PyTorch 1.6")));
  EXPECT_THAT(warnings("module.pth"), IsEmpty());
}

TEST_F(CheckpointFormsTest, StateDictsThatAreNoneSayWhatIsThere) {
  const LoadOptions options{"mlp", kVector};
  EXPECT_THAT(Refusal("two.pth", options), HasSubstr("[\"G\"] (18 tensors), [\"C\"] (2 tensors)"));
  EXPECT_THAT(Refusal("two.pth", options), HasSubstr("torch.save(torch.load(FILE)[\"G\"]"));
  EXPECT_THAT(Refusal("none.pth", options), HasSubstr("\"epoch\", \"config\""));
  for (const std::string name : {"whole_module.pth", "legacy_module.pth"}) {
    const std::string message = Refusal(name, options);
    EXPECT_THAT(message, HasSubstr("__main__.Mlp")) << name;
    EXPECT_THAT(message, HasSubstr(".state_dict(), \"model.pth\")")) << name;
  }
  EXPECT_THAT(Refusal("foreign.pth", options), HasSubstr("classifier.weight"));
  EXPECT_THAT(Refusal("foreign.pth", options), HasSubstr("torch.jit.script(model).save"));
  EXPECT_THAT(Refusal("compiled.pth", {"", kVector}),
              HasSubstr("by the names of its tensors it is mlp"));
}

// Every place that a legacy file can end at, and bits of it, are refusals and no crash.
TEST_F(CheckpointFormsTest, DamagedLegacyFilesAreRefused) {
  std::ifstream file(Forms().Path("legacy.pth"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  const auto load = [](const std::string& bytes) {
    std::ofstream(Forms().ScratchPath("damaged"), std::ios::binary) << bytes;
    return Load(Forms().ScratchPath("damaged"), {"mlp", kVector});
  };
  for (size_t i = 0; i < 60; ++i) {
    const size_t length = i < 40 ? 16 + 100 * i : whole.size() * i / 60;
    EXPECT_EQ(load(whole.substr(0, length)).status().code(), absl::StatusCode::kInvalidArgument)
        << length;
  }
  EXPECT_THAT(std::string(load(whole.substr(0, whole.size() - 1)).status().message()),
              HasSubstr("truncated"));
  for (size_t i = 0; i < 200; ++i) {
    std::string damaged = whole;
    damaged[15 + 17 * i] ^= 1 << (i % 8);
    const auto model = load(damaged);
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << i;
    }
  }
}

TEST_F(CheckpointFormsTest, AHalfModelComputesInFloatAndIsGivenBackHalf) {
  const auto model = LoadForm("half_script.pt", {"", kPicture});
  ASSERT_TRUE(model.ok()) << model.status();
  const Tensors expected = ReadExpected(Forms().Path("half_script.expected.pt"));
  EXPECT_LE(Difference(Logits(**model, expected.at("inputs")), expected.at("logits")), 1e-5);
  EXPECT_THAT((*model)->warnings(), Contains(HasSubstr("float16")));
  ASSERT_TRUE((*model)->Save(Forms().ScratchPath("half.pt")).ok());
  EXPECT_TRUE(Forms().Run(absl::StrCat("types ", Forms().ScratchPath("half.pt"), " float16")));
}

// Scripted or traced: what the code casts to double meets weights that are float.
TEST_F(CheckpointFormsTest, AHeadInDoubleComputesInFloat) {
  const Tensors expected = ReadExpected(Forms().Path("double_head.expected.pt"));
  for (const std::string name : {"double_head.pt", "double_head_traced.pt"}) {
    const auto model = LoadForm(name, {"", kPicture});
    ASSERT_TRUE(model.ok()) << model.status();
    const ForwardResult result = (*model)->Forward(expected.at("inputs"), Mode::kTraining);
    EXPECT_EQ(result.features.scalar_type(), at::kFloat) << name;
    EXPECT_EQ(result.logits.scalar_type(), at::kFloat) << name;
    EXPECT_EQ((*model)->ClassifyFeatures(result.features).scalar_type(), at::kFloat) << name;
    const auto fresh = LoadForm(name, {"", kPicture});
    EXPECT_LE(Difference(Logits(**fresh, expected.at("inputs")), expected.at("logits")), 1e-5);
    ASSERT_TRUE((*fresh)->Save(Forms().ScratchPath(name)).ok());
    EXPECT_TRUE(Forms().Run(absl::StrCat("types ", Forms().ScratchPath(name), " float32,float64")));
  }
}

TEST_F(CheckpointFormsTest, DictionariesAndTuplesOfOutputsAreTaken) {
  EXPECT_TRUE(LoadForm("outputs.pt", {"", kPicture}).ok());
  const auto norm = LoadForm("layer_norm.pt", {"", kVector});
  ASSERT_TRUE(norm.ok()) << norm.status();
  EXPECT_EQ((*norm)->num_classes(), 3);
  EXPECT_EQ((*norm)->normalization_layers().size(), 1u);
}

TEST_F(CheckpointFormsTest, ADeviceThatIsWrittenInTheCodeIsTheModelsOwn) {
  const auto model = LoadForm("on_gpu.pt", {"", kPicture});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(Logits(**model, at::randn({2, 3, 16, 16})).size(1), 4);
}

TEST_F(CheckpointFormsTest, WhatIsNoClassifierIsSaidInOneSentence) {
  EXPECT_THAT(Refusal("frozen.pt", {"", kPicture}), HasSubstr("torch.jit.freeze"));
  EXPECT_THAT(Refusal("argmax.pt", {"", kPicture}), HasSubstr("leave out .argmax(1)"));
  EXPECT_THAT(Refusal("one_logit.pt", {"", kPicture}), HasSubstr("torch.zeros_like(z)"));
  EXPECT_THAT(Refusal("segmenting.pt", {"", kPicture}), HasSubstr("[2, 5, 14, 14]"));
  EXPECT_THAT(Refusal("segmenting.pt", {"", kPicture}), HasSubstr("segmentation"));
  EXPECT_THAT(Refusal("fixed_batch.pt", {"", kPicture}), HasSubstr("batches of exactly 3 samples"));
  EXPECT_THAT(Refusal("fixed_batch.pt", {"", kPicture}), HasSubstr("x.flatten(1)"));
  EXPECT_THAT(Refusal("moves_to_gpu.pt", {"", kPicture}), HasSubstr("asks for a GPU in its code"));
  EXPECT_THAT(Refusal("torch_1_1.pt", {"", kPicture}),
              HasSubstr("TorchScript of PyTorch 1.1 or older; save it again"));
  LoadOptions logits_only{"", kPicture};
  logits_only.logits_only = true;
  EXPECT_THAT(Refusal("argmax.pt", logits_only), HasSubstr("argmax"));
  EXPECT_TRUE(LoadForm("frozen.pt", logits_only).ok());
}

TEST_F(CheckpointFormsTest, ChannelsLastImagesAreToldTheirTransposition) {
  const std::string message = Refusal("net.pt", {"", {16, 16, 3}});
  EXPECT_THAT(message, HasSubstr("the model takes [3, 16, 16]"));
  EXPECT_THAT(message, HasSubstr("transpose(0, 3, 1, 2)"));
}

TEST_F(CheckpointFormsTest, OtherFilesAreNamed) {
  const auto refusal = [](const std::string& bytes) {
    std::ofstream(Forms().ScratchPath("other"), std::ios::binary) << bytes;
    const auto model = Load(Forms().ScratchPath("other"), {"mlp", kVector});
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(model.status().message());
  };
  EXPECT_THAT(refusal("\x89HDF\r\n\x1a\n"), HasSubstr("HDF5"));
  EXPECT_THAT(refusal("\x80\x04\x95 pickled otherwise"), HasSubstr("torch.save has not written"));
  EXPECT_THAT(refusal("anything"), HasSubstr("neither TorchScript"));
}

TEST_F(CheckpointFormsTest, ANewHeadHasFreshRowsAndTheRestStays) {
  for (const std::string name : {"net.pt", "plain.pth", "half_script.pt"}) {
    const bool state = name == "plain.pth";
    const std::vector<int64_t> shape = state ? kVector : kPicture;
    const LoadOptions options{state ? "mlp" : "", shape};
    const auto model = LoadForm(name, options);
    ASSERT_TRUE(model.ok()) << model.status();
    const Tensors before = [&] {
      const at::NoGradGuard no_grad;
      Tensors copies;
      for (const auto& [key, tensor] : (*model)->StateDict()) copies[key] = tensor.clone();
      return copies;
    }();
    ASSERT_TRUE((*model)->ReplaceHead(7).ok());
    EXPECT_EQ((*model)->num_classes(), 7);
    std::vector<int64_t> batch{5};
    batch.insert(batch.end(), shape.begin(), shape.end());
    const ForwardResult result = (*model)->Forward(at::randn(batch), Mode::kTraining);
    EXPECT_EQ(result.logits.size(1), 7);
    result.logits.sum().backward();
    for (const auto& [key, tensor] : (*model)->StateDict()) {
      if (key == "fc.weight" || key == "fc.bias") {
        EXPECT_EQ(tensor.size(0), 7);
        EXPECT_TRUE(tensor.grad().defined());
      } else if (!absl::StrContains(key, "running_") && !absl::EndsWith(key, "tracked")) {
        EXPECT_EQ(Difference(tensor, before.at(key)), 0) << key;
      }
    }
    const std::string saved = Forms().ScratchPath("new_head_" + name);
    ASSERT_TRUE((*model)->Save(saved).ok());
    const auto again = Load(saved, options);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ((*again)->num_classes(), 7);
  }
}

}  // namespace
}  // namespace acclimate::model
