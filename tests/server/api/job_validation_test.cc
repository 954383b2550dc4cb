#include "server/api/job_validation.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/local_blob_store.h"
#include "server/base/errors.h"
#include "server/base/resource_names.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::api {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// With one method, which needs a target.
MethodCatalog Catalog() {
  v1::ListMethodsResponse list;
  list.add_architectures("lenet");
  v1::Method& method = *list.add_methods();
  method.set_name("methods/train");
  method.set_target(v1::DATA_NEED_REQUIRED);
  method.set_source(v1::DATA_NEED_OPTIONAL);
  method.set_checkpoint(v1::DATA_NEED_OPTIONAL);
  return MethodCatalog(list);
}

class JobValidationTest : public testing::Test {
 protected:
  std::string Blob(const std::string& bytes) {
    const std::string path = blobs_->StagingDirectory() + "/file";
    std::ofstream(path) << bytes;
    return blobs_->Import(path)->sha256;
  }
  absl::Status Validate() {
    v1::CreateJobRequest request;
    request.set_parent("tenants/default");
    v1::JobSpec& spec = *request.mutable_spec();
    spec.set_method("train");
    spec.mutable_model()->set_architecture("lenet");
    spec.mutable_target()->set_blob(BlobName("default", target_));
    spec.add_sources()->set_blob(BlobName("default", source_));
    return ValidateCreateJob(request, catalog_, *blobs_, holds_);
  }
  bool CanBeRemoved(const std::string& sha256) {
    return *blobs_->Remove(sha256, [] { return false; });
  }

  const MethodCatalog catalog_ = Catalog();
  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  const std::unique_ptr<artifacts::LocalBlobStore> blobs_ =
      *artifacts::LocalBlobStore::Open(folder_.path(), &metrics_);
  std::string target_ = Blob("target"), source_ = Blob("source");
  std::vector<artifacts::BlobHold> holds_;
};

TEST_F(JobValidationTest, EveryBlobOfAJobIsHeldUntilItIsDurable) {
  const absl::Status status = Validate();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(holds_, SizeIs(2));
  EXPECT_FALSE(CanBeRemoved(target_));
  EXPECT_FALSE(CanBeRemoved(source_));
  holds_.clear();
  EXPECT_TRUE(CanBeRemoved(target_));
  EXPECT_TRUE(CanBeRemoved(source_));
}

TEST_F(JobValidationTest, ABlobThatIsGoneIsNotFound) {
  ASSERT_TRUE(CanBeRemoved(source_));
  const absl::Status status = Validate();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.sources[0].blob"));
  EXPECT_EQ(ReasonOf(status), "BLOB_NOT_FOUND");
}

TEST_F(JobValidationTest, ADamagedBlobIsNotFoundUntilItIsHealed) {
  const std::string path = folder_.File("blobs/" + source_.substr(0, 2) + "/" + source_);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::ofstream(path) << "damage";
  ASSERT_TRUE(absl::IsDataLoss(blobs_->Open(source_).status()));
  EXPECT_TRUE(absl::IsNotFound(Validate()));
  Blob("source");
  EXPECT_TRUE(Validate().ok());
}

}  // namespace
}  // namespace acclimate::api
