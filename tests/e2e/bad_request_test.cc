// Calls that are wrong in themselves: the right code, every field at fault named, nothing changed.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/error.h"
#include "client/lib/local_file.h"
#include "client/lib/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Eq;
using ::testing::HasSubstr;

constexpr int64_t kChunkBytes = 1 << 20;
constexpr int64_t kMessageLimitBytes = 4 << 20;
const char kAbsentDigest[] = "00000000000000000000000000000000000000000000000000000000000000aa";

std::vector<std::string> Fields(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const client::FieldViolation& violation : client::FieldViolations(status)) {
    fields.push_back(violation.field);
  }
  return fields;
}

class BadRequestTest : public testing::Test {
 protected:
  void SetUp() override { before_ = api_.Facts(); }

  void TearDown() override {
    const ServerFacts after = api_.Facts();
    EXPECT_EQ(after.jobs, before_.jobs);
    EXPECT_TRUE(after.serving);
    EXPECT_TRUE(api_.HasBlob(data_));
  }

  void ExpectRefused(const v1::JobSpec& spec, const std::string& field) {
    const absl::Status status = api_.Create(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(Fields(status), Contains(HasSubstr(field))) << status;
  }

  v1::Upload NewUpload(const std::string& bytes) {
    const TemporaryFolder folder;
    WriteFile(folder.File("file"), bytes);
    v1::CreateUploadRequest request;
    request.set_parent(client::kDefaultParent);
    request.set_sha256(client::DigestFile(folder.File("file"))->sha256);
    request.set_size_bytes(bytes.size());
    auto upload = api_.connection().Call<v1::Upload>(
        api_.connection().artifacts(), &v1::ArtifactService::Stub::CreateUpload, request);
    EXPECT_TRUE(upload.ok()) << upload.status();
    return upload.ok() ? *upload : v1::Upload();
  }

  absl::Status Write(const v1::WriteUploadRequest& chunk) {
    grpc::ClientContext context;
    v1::Upload answer;
    auto writer = api_.connection().artifacts().WriteUpload(&context, &answer);
    writer->Write(chunk);
    writer->WritesDone();
    return client::FromGrpc(writer->Finish());
  }

  v1::WriteUploadRequest Chunk(const v1::Upload& upload, int64_t offset, const std::string& data) {
    v1::WriteUploadRequest chunk;
    chunk.set_name(upload.name());
    chunk.set_offset(offset);
    chunk.set_data(data);
    chunk.set_crc32c(artifacts::Crc32c(data));
    return chunk;
  }

  int64_t Committed(const v1::Upload& upload) {
    v1::GetUploadRequest request;
    request.set_name(upload.name());
    auto current = api_.connection().Call<v1::Upload>(
        api_.connection().artifacts(), &v1::ArtifactService::Stub::GetUpload, request);
    return current.ok() ? current->committed_bytes() : -1;
  }

  ServerProcess server_;
  ApiClient api_{server_};
  const std::string data_ = api_.Upload(ImageDataset({.count = 20}, true));
  ServerFacts before_;
};

TEST_F(BadRequestTest, UnknownMethod) {
  v1::JobSpec spec = TrainingSpec(data_);
  spec.set_method("shott");
  ExpectRefused(spec, "method");
}

TEST_F(BadRequestTest, UnknownHyperparameter) {
  v1::JobSpec spec = TrainingSpec(data_);
  SetInteger("epoch", 3, &spec);
  ExpectRefused(spec, "epoch");
}

TEST_F(BadRequestTest, HyperparameterOutOfRangeOrOfAnotherType) {
  v1::JobSpec spec = TrainingSpec(data_);
  SetInteger("epochs", -1, &spec);
  ExpectRefused(spec, "epochs");
  (*spec.mutable_hyperparameters())["epochs"].set_text("three");
  ExpectRefused(spec, "epochs");
}

TEST_F(BadRequestTest, UnknownPrecisionOrOneThatTheDeviceDoesNotDo) {
  v1::JobSpec spec = TrainingSpec(data_);
  spec.mutable_resources()->set_precision("bf32");
  ExpectRefused(spec, "spec.resources.precision");
  EXPECT_THAT(std::string(api_.Create(spec).status().message()),
              HasSubstr("must be auto, fp32, bf16 or fp16; is \"bf32\""));
  spec.mutable_resources()->set_device("cpu");
  spec.mutable_resources()->set_precision("fp16");
  ExpectRefused(spec, "spec.resources.precision");
}

TEST_F(BadRequestTest, EveryFieldAtOnce) {
  v1::JobSpec spec = TrainingSpec(data_);
  SetInteger("epoch", 3, &spec);
  SetInteger("batch_size", -5, &spec);
  spec.set_priority(101);
  const std::vector<std::string> fields = Fields(api_.Create(spec).status());
  for (const char* field : {"epoch", "batch_size", "priority"}) {
    EXPECT_THAT(fields, Contains(HasSubstr(field)));
  }
}

TEST_F(BadRequestTest, LabelsOfAnAuditThatCannotBe) {
  v1::JobSpec spec = AdaptationSpec("shot", data_, data_);
  const auto add = [&spec](int64_t index, int64_t label) {
    v1::AuditLabel* added = spec.add_audit();
    added->set_index(index);
    added->set_label(label);
  };
  for (const auto& [index, label] : {std::pair(3, 0), {-1, 0}, {5, -2}, {3, 1}}) add(index, label);
  const absl::Status status = api_.Create(spec).status();
  EXPECT_THAT(Fields(status),
              testing::UnorderedElementsAre("spec.audit[1].index", "spec.audit[2].label",
                                            "spec.audit[3].index"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("3 is given twice, first in spec.audit[0]"));
  spec.clear_audit();
  for (int64_t i = 0; i <= 1000; ++i) add(i, 0);
  ExpectRefused(spec, "spec.audit");
}

TEST_F(BadRequestTest, AnAuditThatCannotChoose) {
  v1::JobSpec spec = AdaptationSpec("shot", data_, data_);
  spec.set_use_audit(true);
  ExpectRefused(spec, "spec.use_audit");
  spec.add_audit();
  (*spec.mutable_hyperparameters())["guard"].set_text("off");
  ExpectRefused(spec, "spec.use_audit");
  EXPECT_THAT(std::string(api_.Create(spec).status().message()),
              HasSubstr("the guard, which would ask it, is off"));
  spec.clear_hyperparameters();
  spec.set_method("lame");
  ExpectRefused(spec, "spec.use_audit");
}

TEST_F(BadRequestTest, WhatAMethodLacks) {
  v1::JobSpec spec = AdaptationSpec("dann", data_, data_);
  ExpectRefused(spec, "sources");
  spec.set_method("shot");
  spec.clear_target();
  ExpectRefused(spec, "target");
  v1::JobSpec without_model = TrainingSpec(data_);
  without_model.clear_model();
  ExpectRefused(without_model, "model");
}

TEST_F(BadRequestTest, BlobsThatDoNotExist) {
  v1::JobSpec spec = TrainingSpec(client::BlobName(kAbsentDigest));
  const absl::Status status = api_.Create(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), kAbsentDigest)) << status;
  spec.mutable_target()->set_blob("nonsense");
  ExpectRefused(spec, "target");
}

TEST_F(BadRequestTest, ValidateOnlyChecksAndMakesNothing) {
  v1::CreateJobRequest request;
  request.set_parent(client::kDefaultParent);
  request.set_validate_only(true);
  *request.mutable_spec() = TrainingSpec(data_);
  auto create = [&] {
    return api_.connection()
        .Call<v1::Job>(api_.connection().jobs(), &v1::JobService::Stub::CreateJob, request)
        .status();
  };
  EXPECT_TRUE(create().ok());
  request.mutable_spec()->set_method("shott");
  EXPECT_EQ(create().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BadRequestTest, MessagesOverTheLimit) {
  v1::JobSpec spec = TrainingSpec(data_);
  (*spec.mutable_labels())["big"] = std::string(kMessageLimitBytes, 'x');
  EXPECT_EQ(api_.Create(spec).status().code(), absl::StatusCode::kResourceExhausted);

  const std::string bytes = RandomBytes(kMessageLimitBytes + kChunkBytes, 1);
  const v1::Upload upload = NewUpload(bytes);
  EXPECT_EQ(Write(Chunk(upload, 0, bytes)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Committed(upload), 0);
}

TEST_F(BadRequestTest, AChunkWithAWrongChecksum) {
  const std::string bytes = RandomBytes(kChunkBytes, 2);
  const v1::Upload upload = NewUpload(bytes);
  v1::WriteUploadRequest chunk = Chunk(upload, 0, bytes.substr(0, 4096));
  ASSERT_TRUE(Write(chunk).ok());
  chunk = Chunk(upload, 4096, bytes.substr(4096, 4096));
  chunk.set_crc32c(chunk.crc32c() ^ 1);
  const absl::Status status = Write(chunk);
  EXPECT_THAT(status.code(),
              AnyOf(Eq(absl::StatusCode::kInvalidArgument), Eq(absl::StatusCode::kDataLoss)))
      << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "4096")) << status;
  EXPECT_EQ(Committed(upload), 4096) << "what came before stays, the bad chunk does not";
}

TEST_F(BadRequestTest, AChunkAtAWrongPlace) {
  const std::string bytes = RandomBytes(kChunkBytes, 3);
  const v1::Upload upload = NewUpload(bytes);
  const absl::Status status = Write(Chunk(upload, 512, bytes.substr(512)));
  EXPECT_THAT(status.code(),
              AnyOf(Eq(absl::StatusCode::kInvalidArgument), Eq(absl::StatusCode::kOutOfRange)))
      << status;
  EXPECT_EQ(Committed(upload), 0);
}

TEST_F(BadRequestTest, BytesOfAnotherDigest) {
  const std::string announced = RandomBytes(10000, 4);
  const v1::Upload upload = NewUpload(announced);
  const absl::Status status = Write(Chunk(upload, 0, RandomBytes(10000, 5)));
  EXPECT_THAT(status.code(),
              AnyOf(Eq(absl::StatusCode::kInvalidArgument), Eq(absl::StatusCode::kDataLoss)))
      << status;
  EXPECT_FALSE(api_.HasBlob(upload.blob()));
  // The right bytes are taken afterwards.
  EXPECT_TRUE(api_.HasBlob(api_.Upload(announced)));
}

TEST_F(BadRequestTest, UploadsThatCannotBe) {
  v1::CreateUploadRequest request;
  request.set_parent(client::kDefaultParent);
  request.set_sha256("not a digest");
  request.set_size_bytes(-1);
  const absl::Status status =
      api_.connection()
          .Call<v1::Upload>(api_.connection().artifacts(), &v1::ArtifactService::Stub::CreateUpload,
                            request)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(Fields(status), Contains(HasSubstr("sha256")));
  EXPECT_THAT(Fields(status), Contains(HasSubstr("size_bytes")));
}

TEST_F(BadRequestTest, NamesOfNothing) {
  EXPECT_EQ(api_.Get("tenants/default/jobs/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(api_.Get("jobs").status().code(), absl::StatusCode::kInvalidArgument);
  v1::GetMethodRequest request;
  request.set_name("methods/none");
  EXPECT_EQ(api_.connection()
                .Call<v1::Method>(api_.connection().catalog(), &v1::CatalogService::Stub::GetMethod,
                                  request)
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(BadRequestTest, OneRequestIdForTwoSpecs) {
  const v1::JobSpec spec = TrainingSpec(data_, 1);
  absl::StatusOr<v1::Job> first = api_.Create(spec, "once");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(api_.Create(spec, "once")->name(), first->name());
  EXPECT_EQ(api_.Create(TrainingSpec(data_, 2), "once").status().code(),
            absl::StatusCode::kAlreadyExists);
  before_.jobs += 1;
}

}  // namespace
}  // namespace acclimate::e2e
