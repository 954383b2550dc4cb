// The main job: a model trained in one domain, adapted to another without its labels, brought home.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::IsSupersetOf;

const Images kSource = {.count = 200, .shift = 0, .seed = 1};
const Images kTarget = {.count = 200, .shift = 0.7, .seed = 2};

std::vector<std::string> FileNames(const v1::Job& job) {
  std::vector<std::string> names;
  for (const v1::OutputFile& file : job.result().files()) names.push_back(file.name());
  return names;
}

std::string BlobOf(const v1::Job& job, const std::string& name) {
  for (const v1::OutputFile& file : job.result().files()) {
    if (file.name() == name) return file.blob();
  }
  return "";
}

std::vector<int64_t> Labels(const Images& images) {
  const std::string bytes = ImageLabels(images).bytes;
  std::vector<int64_t> labels(bytes.size() / sizeof(int64_t));
  std::memcpy(labels.data(), bytes.data(), bytes.size());
  return labels;
}

// Of the tensor `prediction` in a file of probabilities: the share that is right.
double ShareRight(const std::string& file, const std::vector<int64_t>& truth) {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  const auto header = nlohmann::json::parse(file.substr(sizeof(header_bytes), header_bytes));
  EXPECT_EQ(header["probabilities"]["shape"], nlohmann::json({truth.size(), 4}));
  EXPECT_EQ(header["__metadata__"]["temperature_from"], "none");
  const size_t at =
      sizeof(header_bytes) + header_bytes + header["prediction"]["data_offsets"][0].get<size_t>();
  double right = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    int64_t predicted = 0;
    std::memcpy(&predicted, file.data() + at + i * sizeof(predicted), sizeof(predicted));
    right += predicted == truth[i] ? 1 : 0;
  }
  return right / static_cast<double>(truth.size());
}

class MainJobTest : public testing::Test {
 protected:
  v1::Job Run(const v1::JobSpec& spec) {
    absl::StatusOr<v1::Job> job = api_.Create(spec);
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return {};
    v1::Job ended = api_.WaitForEnd(job->name());
    EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
    return ended;
  }

  std::string TrainedModel() {
    return BlobOf(Run(TrainingSpec(api_.Upload(ImageDataset(kSource, true)))), "model.safetensors");
  }

  ServerProcess server_;
  ApiClient api_{server_};
};

TEST_F(MainJobTest, TrainsAdaptsAndEvaluates) {
  const std::string model = TrainedModel();
  const std::string labelled = api_.Upload(ImageDataset(kTarget, true));
  v1::JobSpec spec =
      AdaptationSpec("shot", model, api_.Upload(ImageDataset(kTarget, /*with_labels=*/false)));
  spec.mutable_evaluation()->set_blob(labelled);
  const std::vector<int64_t> truth = Labels(kTarget);
  for (int64_t i = 0; i < 60; ++i) {
    v1::AuditLabel* label = spec.add_audit();
    label->set_index(3 * i);
    label->set_label(truth[static_cast<size_t>(3 * i)]);
  }
  const v1::Job adapted = Run(spec);

  EXPECT_THAT(FileNames(adapted), IsSupersetOf({"model.safetensors", "report.json", "lineage.json",
                                                "probabilities.safetensors"}));
  EXPECT_EQ(ShareRight(api_.DownloadFile(adapted, "probabilities.safetensors"), truth),
            adapted.result().metrics().at("accuracy"));
  for (const char* audited : {"audited_accuracy", "audited_source_accuracy"}) {
    const auto& all = adapted.result().metrics();
    const double value = all.at(absl::StrCat(audited).substr(8));
    EXPECT_LE(all.at(absl::StrCat(audited, "_low")), value) << audited;
    EXPECT_GE(all.at(absl::StrCat(audited, "_high")), value) << audited;
  }
  const auto& metrics = adapted.result().metrics();
  ASSERT_TRUE(metrics.contains("accuracy") && metrics.contains("source_accuracy"));
  EXPECT_GE(metrics.at("accuracy"), metrics.at("source_accuracy"));

  const auto lineage = nlohmann::json::parse(api_.DownloadFile(adapted, "lineage.json"));
  EXPECT_NE(lineage.dump().find(client::LastSegment(model)), std::string::npos)
      << "the parent's digest is missing: " << lineage;

  const v1::Job evaluated =
      Run(AdaptationSpec("evaluate", BlobOf(adapted, "model.safetensors"), labelled));
  const auto report = nlohmann::json::parse(api_.DownloadFile(evaluated, "report.json"));
  EXPECT_NEAR(report["accuracy"], metrics.at("accuracy"), 1e-9);
  EXPECT_EQ(report["per_class_accuracy"].size(), 4u);
  EXPECT_EQ(report["confusion_matrix"].size(), 4u);
}

TEST_F(MainJobTest, SameSeedGivesTheSameBytes) {
  v1::JobSpec spec = TrainingSpec(api_.Upload(ImageDataset(kSource, true)), 1);
  spec.set_seed(7);
  const std::string first = BlobOf(Run(spec), "model.safetensors");
  EXPECT_EQ(BlobOf(Run(spec), "model.safetensors"), first);
  spec.set_seed(8);
  EXPECT_NE(BlobOf(Run(spec), "model.safetensors"), first);
}

TEST_F(MainJobTest, TorchScriptComesBackAsTorchScript) {
  const std::string model = TorchScriptClassifier(4);
  if (model.empty()) GTEST_SKIP() << "python3-torch is not installed";
  const v1::Job adapted = Run(AdaptationSpec(
      "adabn", api_.Upload(model), api_.Upload(ImageDataset(kTarget, /*with_labels=*/false))));
  EXPECT_THAT(FileNames(adapted), IsSupersetOf({"model.pt", "report.json", "lineage.json"}));
  EXPECT_EQ(api_.DownloadFile(adapted, "model.pt").substr(0, 2), "PK");
}

TEST_F(MainJobTest, EventsTellTheStory) {
  const v1::Job job = Run(TrainingSpec(api_.Upload(ImageDataset(kSource, true))));
  std::vector<v1::JobState> states;
  bool saw_loss = false;
  int64_t cursor = 0;
  for (const v1::JobEvent& event : api_.Events(job.name())) {
    EXPECT_EQ(event.cursor(), ++cursor);
    if (event.has_state()) states.push_back(event.state().to());
    saw_loss |= event.progress().metrics().contains("loss");
  }
  EXPECT_THAT(states, testing::ElementsAre(v1::JOB_STATE_QUEUED, v1::JOB_STATE_STARTING,
                                           v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED));
  EXPECT_TRUE(saw_loss);
  EXPECT_EQ(cursor, job.last_cursor());
}

}  // namespace
}  // namespace acclimate::e2e
