// Files that are damaged, that lie, or that do not fit: each fails its own job with the reason, and
// leaves the server as it was.
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

constexpr int64_t kClasses = 4;
const Images kImages = {.count = 40, .classes = kClasses};

std::string Flip(std::string bytes, size_t at) {
  bytes.at(at) ^= 1;
  return bytes;
}

// A whole .npy file of float32 [rows, 1, 28, 28].
std::string Npy(int64_t rows) {
  std::string header =
      absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", 1, 28, 28), }");
  header.resize(118 - 1, ' ');
  header += '\n';
  return absl::StrCat(absl::string_view("\x93NUMPY\x01\x00\x76\x00", 10), header,
                      AsBytes(std::vector<float>(rows * 28 * 28, 0.5f)));
}

std::string FloatImages(int64_t count, const std::vector<int64_t>& sample_shape, float bad_value,
                        int64_t bad_index) {
  int64_t size = count;
  std::vector<int64_t> shape = {count};
  for (int64_t extent : sample_shape) {
    size *= extent;
    shape.push_back(extent);
  }
  std::vector<float> values(size, 0.5f);
  if (bad_index >= 0) values[bad_index] = bad_value;
  return Safetensors({{"inputs", "F32", shape, AsBytes(values)}});
}

std::string WithLabels(std::vector<int64_t> labels) {
  const int64_t count = labels.size();
  return Safetensors({{"labels", "I64", {count}, AsBytes(labels)},
                      ImageInputs({.count = count, .classes = kClasses})});
}

class BadInputTest : public testing::Test {
 protected:
  void SetUp() override {
    v1::Job trained = api_.WaitForEnd(
        api_.Create(TrainingSpec(api_.Upload(ImageDataset(kImages, true)), 1))->name());
    ASSERT_EQ(trained.state(), v1::JOB_STATE_SUCCEEDED) << trained.DebugString();
    for (const v1::OutputFile& file : trained.result().files()) {
      if (file.name() == "model.safetensors") model_ = file.blob();
    }
    target_ = api_.Upload(ImageDataset(kImages, false));
  }

  // Runs the job and expects it to fail for the client's mistake, with every fragment in its error;
  // afterwards the server does all that it did before.
  void ExpectRefused(const v1::JobSpec& spec, const std::vector<std::string>& fragments) {
    const ServerFacts before = api_.Facts();
    absl::StatusOr<v1::Job> created = api_.Create(spec);
    ASSERT_TRUE(created.ok()) << created.status();
    const v1::Job job = api_.WaitForEnd(created->name());
    EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED) << job.DebugString();
    EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument))
        << job.error().DebugString();
    for (const std::string& fragment : fragments) {
      EXPECT_TRUE(absl::StrContains(job.error().message(), fragment))
          << "\"" << fragment << "\" is not in: " << job.error().message();
    }
    ASSERT_EQ(job.attempts_size(), 1);
    EXPECT_EQ(job.attempts(0).cause(), v1::ATTEMPT_CAUSE_USER_ERROR);
    EXPECT_EQ(job.result().files_size(), 0);

    const ServerFacts after = api_.Facts();
    EXPECT_EQ(after.jobs, before.jobs + 1);
    EXPECT_TRUE(after.serving);
    EXPECT_TRUE(api_.HasBlob(model_));
    EXPECT_TRUE(api_.HasBlob(target_));
  }

  void ExpectTargetRefused(const std::string& bytes, const std::vector<std::string>& fragments) {
    ExpectRefused(AdaptationSpec("evaluate", model_, api_.Upload(bytes)), fragments);
  }

  // After all that: a good job.
  void TearDown() override {
    absl::StatusOr<v1::Job> job =
        api_.Create(TrainingSpec(api_.Upload(ImageDataset(kImages, true)), 1));
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(api_.WaitForEnd(job->name()).state(), v1::JOB_STATE_SUCCEEDED);
  }

  ServerProcess server_;
  ApiClient api_{server_};
  std::string model_, target_;
};

TEST_F(BadInputTest, DamagedTorchScript) {
  const std::string whole = TorchScriptClassifier(kClasses);
  if (whole.empty()) GTEST_SKIP() << "python3-torch is not installed";
  for (size_t size : {whole.size() / 2, whole.size() - 1, size_t{100}}) {
    ExpectRefused(AdaptationSpec("adabn", api_.Upload(whole.substr(0, size)), target_),
                  {"checkpoint"});
  }
  // In the weights: only the archive's checksums can tell.
  ExpectRefused(AdaptationSpec("adabn", api_.Upload(Flip(whole, whole.size() / 2)), target_),
                {"checkpoint"});
}

TEST_F(BadInputTest, DamagedStateDict) {
  const std::string whole = api_.Download(model_);
  ExpectRefused(AdaptationSpec("shot", api_.Upload(whole.substr(0, whole.size() - 8)), target_),
                {"checkpoint"});
  ExpectRefused(AdaptationSpec("shot", api_.Upload(Flip(whole, 8)), target_), {"checkpoint"});
}

TEST_F(BadInputTest, TruncatedSafetensors) {
  const std::string whole = ImageDataset(kImages, true);
  ExpectTargetRefused(whole.substr(0, whole.size() - 1), {"target", "inputs"});
  ExpectTargetRefused(whole.substr(0, 20), {"target"});
}

TEST_F(BadInputTest, BitFlippedSafetensorsHeader) {
  const std::string whole = ImageDataset(kImages, true);
  ExpectTargetRefused(Flip(whole, whole.find("U8")), {"target", "inputs"});
  ExpectTargetRefused(Flip(whole, 8), {"target"});  // the opening brace
}

TEST_F(BadInputTest, HeaderThatClaimsMoreBytesThanThereAre) {
  const std::string whole = ImageDataset(kImages, true);
  const std::string huge = AsBytes(std::vector<uint64_t>{std::numeric_limits<uint64_t>::max() / 2});
  ExpectTargetRefused(huge + whole.substr(8), {"target"});
  ExpectTargetRefused(
      SafetensorsWithHeader(
          R"({"inputs":{"dtype":"F32","shape":[1000,1,28,28],"data_offsets":[0,3136000]}})",
          std::string(64, '\0')),
      {"target", "inputs"});
}

TEST_F(BadInputTest, DamagedNpy) {
  const std::string whole = Npy(4);
  ExpectTargetRefused(whole.substr(0, whole.size() - 4), {"target"});
  ExpectTargetRefused(whole.substr(0, 40), {"target"});
  ExpectTargetRefused(Flip(whole, whole.find("<f4")), {"target"});
}

TEST_F(BadInputTest, WrongShapeOrChannels) {
  ExpectRefused(AdaptationSpec("shot", model_, api_.Upload(FloatImages(10, {1, 20, 20}, 0, -1))),
                {"20"});
  ExpectRefused(AdaptationSpec("shot", model_, api_.Upload(FloatImages(10, {3, 28, 28}, 0, -1))),
                {"3"});
}

TEST_F(BadInputTest, LabelsOutsideTheClasses) {
  ExpectTargetRefused(WithLabels({0, 1, 2, 3, 9, 1}), {"target", "9"});
  ExpectRefused(TrainingSpec(api_.Upload(WithLabels({0, 1, -2, 3}))), {"target", "-2"});
}

TEST_F(BadInputTest, NotANumberInTheData) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ExpectRefused(
      AdaptationSpec("shot", model_, api_.Upload(FloatImages(10, {1, 28, 28}, nan, 784 * 3 + 5))),
      {"target", "3"});
  const float infinity = std::numeric_limits<float>::infinity();
  ExpectRefused(
      AdaptationSpec("shot", model_, api_.Upload(FloatImages(10, {1, 28, 28}, infinity, 0))),
      {"target"});
}

TEST_F(BadInputTest, EmptyTarget) {
  ExpectRefused(AdaptationSpec("shot", model_, api_.Upload(FloatImages(0, {1, 28, 28}, 0, -1))),
                {"target"});
  ExpectRefused(AdaptationSpec("shot", model_, api_.Upload("x")), {"target"});
}

}  // namespace
}  // namespace acclimate::e2e
