// What every BlobStore must do, whatever it keeps its blobs in. A new store makes itself a test by
// a BlobStoreUnderTest and one line:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, BlobStoreConformance, testing::Values(&MakeMine));
#ifndef ACCLIMATE_TESTS_SERVER_ARTIFACTS_BLOB_STORE_CONFORMANCE_H_
#define ACCLIMATE_TESTS_SERVER_ARTIFACTS_BLOB_STORE_CONFORMANCE_H_

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "server/artifacts/blob_store.h"

namespace acclimate::artifacts {

class BlobStoreUnderTest {
 public:
  virtual ~BlobStoreUnderTest() = default;
  virtual BlobStore& store() = 0;
  // As another process finds it after this one was killed.
  virtual void Reopen() = 0;
  // Flips a bit of what is stored, as a disk may.
  virtual void Damage(const std::string& sha256) = 0;
};

using BlobStoreMaker = std::unique_ptr<BlobStoreUnderTest> (*)();

class BlobStoreConformance : public testing::TestWithParam<BlobStoreMaker> {
 protected:
  BlobStore& store() { return under_test_->store(); }
  void Reopen() { under_test_->Reopen(); }
  void Damage(const std::string& sha256) { under_test_->Damage(sha256); }

 private:
  const std::unique_ptr<BlobStoreUnderTest> under_test_ = GetParam()();
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_TESTS_SERVER_ARTIFACTS_BLOB_STORE_CONFORMANCE_H_
