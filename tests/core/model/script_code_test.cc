// No code of an archive runs before all of it has been looked at.
#include "core/model/script_code.h"

#include <caffe2/serialize/inline_container.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/script.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/io/mapped_file.h"
#include "core/model/checkpoint.h"

namespace acclimate::model {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kForward[] = R"(
def forward(self, x: Tensor):
    return torch.linear(x, self.weight)
)";

class ScriptCodeTest : public ::testing::Test {
 protected:
  ScriptCodeTest()
      : folder_(fs::temp_directory_path() / absl::StrCat("script_code_test_", getpid())) {
    fs::create_directories(folder_);
  }
  ~ScriptCodeTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }

  // A linear classifier with more code.
  torch::jit::Module Classifier(const std::string& code = "") {
    torch::jit::Module module("Classifier");
    module.register_parameter("weight", torch::randn({3, 4}), /*is_buffer=*/false);
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define(absl::StrCat(kForward, code));
    return module;
  }
  void Save(const torch::jit::Module& module) { module.save(Path("model.pt")); }

  // The saved archive with other code.
  void Rewrite(const std::vector<std::pair<std::string, std::string>>& replacements) {
    caffe2::serialize::PyTorchStreamReader reader(Path("model.pt"));
    caffe2::serialize::PyTorchStreamWriter writer(Path("rewritten.pt"));
    for (const std::string& record : reader.getAllRecords()) {
      if (record == "version" || record == "byteorder" || record == ".format_version" ||
          record == ".storage_alignment" || record == ".data/serialization_id") {
        continue;  // the writer makes them
      }
      const auto [data, size] = reader.getRecord(record);
      std::string bytes(static_cast<const char*>(data.get()), size);
      if (record.rfind("code/", 0) == 0 && record.find(".py") == record.size() - 3) {
        const std::string before = bytes;
        bytes = absl::StrReplaceAll(bytes, replacements);
        EXPECT_NE(bytes, before) << before;
      }
      writer.writeRecord(record, bytes.data(), bytes.size());
    }
    writer.writeEndOfFile();
    fs::rename(Path("rewritten.pt"), Path("model.pt"));
  }

  absl::StatusOr<std::unique_ptr<Model>> Load() {
    auto file = io::MappedFile::Open(Path("model.pt"));
    EXPECT_TRUE(file.ok()) << file.status();
    return LoadCheckpoint(*file, {});
  }
  void ExpectRefused(const std::string& why) {
    const auto model = Load();
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << model.status();
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(why));
    EXPECT_FALSE(fs::exists(Path("written"))) << "code of the archive ran";
  }

  const fs::path folder_;
};

TEST_F(ScriptCodeTest, AnHonestModelLoads) {
  Save(Classifier(R"(
def scaled(self, x: Tensor, factor: float=2.0, names: List[str]=["a"]):
    return x * factor
)"));
  const auto model = Load();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->StateDict().count("weight"), 1u);
}

TEST_F(ScriptCodeTest, AnHonestSetStateRuns) {
  Save(Classifier(R"(
def __getstate__(self):
    return (self.weight * 2.0, self.training)
def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
    self.weight = state[0]
    self.training = state[1]
)"));
  const auto model = Load();
  ASSERT_TRUE(model.ok()) << model.status();
}

TEST_F(ScriptCodeTest, ASetStateThatWritesAFileNeverRuns) {
  Save(Classifier(absl::StrCat(R"(
def __getstate__(self):
    return (self.weight, self.training)
def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
    torch.save(state[0], ")",
                               Path("written"), R"(")
    self.weight = state[0]
    self.training = state[1]
)")));
  ExpectRefused("aten::save");
}

TEST_F(ScriptCodeTest, NorOneOfAModuleWithin) {
  torch::jit::Module outer = Classifier();
  torch::jit::Module inner("Inner");
  inner.register_buffer("state", torch::zeros({1}));
  inner.register_attribute("training", c10::BoolType::get(), true);
  inner.define(absl::StrCat(R"(
def __getstate__(self):
    return (self.state, self.training)
def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
    self.write(state[0])
    self.state = state[0]
    self.training = state[1]
def write(self, state: Tensor) -> None:
    torch.save(state, ")",
                            Path("written"), R"(")
)"));
  outer.register_module("inner", inner);
  Save(outer);
  ExpectRefused("aten::save");
}

TEST_F(ScriptCodeTest, AMethodThatNobodyCallsCountsToo) {
  Save(Classifier(R"(
def unused(self, x: Tensor):
    print(x)
    return x
)"));
  ExpectRefused("prim::Print");
}

// LibTorch evaluates default values when it compiles the method.
TEST_F(ScriptCodeTest, ADefaultValueIsALiteral) {
  Save(Classifier(R"(
def scaled(self, x: Tensor, factor: float=2.5):
    return x * factor
)"));
  Rewrite({{"factor: float=2.5",
            absl::StrCat("nothing: NoneType=torch.save(1, \"", Path("written"), "\")")},
           {"factor", "2.5"}});
  ExpectRefused("a default value of an argument that is no literal");
}

TEST_F(ScriptCodeTest, AConstantOfAClassIsALiteral) {
  torch::jit::Module module = Classifier();
  module.type()->addConstant("depth", 7);
  Save(module);
  Rewrite({{"depth : Final[int] = 7",
            absl::StrCat("depth : Final[NoneType] = torch.save(1, \"", Path("written"), "\")")}});
  ExpectRefused("a constant of a class that is no literal");
}

TEST_F(ScriptCodeTest, AnArchiveOfTheOldFormIsRefused) {
  Save(Classifier());
  caffe2::serialize::PyTorchStreamReader reader(Path("model.pt"));
  {
    caffe2::serialize::PyTorchStreamWriter writer(Path("old.pt"));
    for (const char* record : {"data.pkl", "constants.pkl"}) {
      const auto [data, size] = reader.getRecord(record);
      writer.writeRecord(record, data.get(), size);
    }
    writer.writeRecord("model.json", "{}", 2);
    writer.writeEndOfFile();
  }
  fs::rename(Path("old.pt"), Path("model.pt"));
  ExpectRefused("before PyTorch 1.2");
}

TEST_F(ScriptCodeTest, ConstantsOfTheArchiveAreNoCode) {
  torch::jit::Module module = Classifier();
  module.eval();
  Save(torch::jit::freeze(module));  // the weight is a constant now
  const auto model = Load();
  // Whether such a model can be adapted is another question.
  EXPECT_TRUE(model.ok() || model.status().code() == absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(model.status().message()), ::testing::Not(HasSubstr("constants.pkl")));
}

}  // namespace
}  // namespace acclimate::model
