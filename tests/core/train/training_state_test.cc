#include "core/train/training_state.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "core/io/tensor_file.h"

namespace acclimate::train {
namespace {

using ::testing::HasSubstr;

// Removes its file when it goes.
class TrainingStateFileTest : public ::testing::Test {
 protected:
  ~TrainingStateFileTest() override { std::filesystem::remove(path_); }

  absl::StatusOr<TrainingState> Read() const {
    return ReadTrainingState(io::MappedFile::Open(path_).value());
  }

  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void Overwrite(const std::string& bytes) const {
    std::filesystem::remove(path_);  // never under a mapping
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  const std::string path_ = absl::StrCat(::testing::TempDir(), "/state_", getpid(), "_",
                                         reinterpret_cast<uintptr_t>(this));
};

TrainingState Example() {
  TrainingState state;
  state.Add("model/", {{"weight", at::arange(6, at::kFloat).view({2, 3})}});
  state.Add("sampler/", {{"generator", at::arange(5, at::kByte)}});
  state.tensors["loop/step"] = at::scalar_tensor(int64_t{1} << 40, at::kLong);
  state.notes = {{"job", "one \"two\""}, {"seed", "7"}};
  return state;
}

TEST_F(TrainingStateFileTest, ComesBackAsItWas) {
  const TrainingState state = Example();
  ASSERT_TRUE(WriteTrainingState(path_, state).ok());
  const absl::StatusOr<TrainingState> read = Read();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->notes, state.notes);
  ASSERT_EQ(read->tensors.size(), state.tensors.size());
  for (const auto& [name, tensor] : state.tensors) {
    ASSERT_EQ(read->tensors.count(name), 1u) << name;
    EXPECT_EQ(read->tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read->tensors.at(name), tensor)) << name;
  }
  EXPECT_EQ(*IntegerIn(read->tensors, "loop/step"), int64_t{1} << 40);
}

TEST_F(TrainingStateFileTest, TruncatedAnywhereIsRefused) {
  ASSERT_TRUE(WriteTrainingState(path_, Example()).ok());
  const std::string whole = Bytes();
  for (size_t length = 0; length < whole.size(); length += 7) {
    Overwrite(whole.substr(0, length));
    EXPECT_EQ(Read().status().code(), absl::StatusCode::kInvalidArgument) << length << " bytes";
  }
  Overwrite(whole.substr(0, whole.size() - 1));
  EXPECT_EQ(Read().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainingStateFileTest, OtherSafetensorsAreRefused) {
  ASSERT_TRUE(io::WriteSafetensors(path_, Example().tensors, {{"format", "pt"}}).ok());
  EXPECT_EQ(Read().status(), absl::InvalidArgumentError("not a training state"));
  ASSERT_TRUE(io::WriteSafetensors(path_, Example().tensors).ok());
  EXPECT_EQ(Read().status(), absl::InvalidArgumentError("not a training state"));
}

TEST(TrainingStateTest, PartIsWhatLiesBelowAPrefix) {
  TrainingState state;
  state.Add("a/", {{"x", at::ones({1})}, {"deep/y", at::ones({2})}});
  state.Add("ab/", {{"z", at::ones({3})}});
  state.Add("a", {{"0", at::ones({4})}});
  const TensorMap part = state.Part("a/");
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part.at("x").numel(), 1);
  EXPECT_EQ(part.at("deep/y").numel(), 2);
  EXPECT_TRUE(state.Part("b/").empty());
}

TEST(IntegerInTest, IsOneNumber) {
  const TensorMap tensors = {{"step", at::scalar_tensor(int64_t{12}, at::kLong)},
                             {"pair", at::zeros({2}, at::kLong)}};
  EXPECT_EQ(*IntegerIn(tensors, "step"), 12);
  for (const char* name : {"pair", "missing"}) {
    const absl::Status status = IntegerIn(tensors, name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
}

}  // namespace
}  // namespace acclimate::train
