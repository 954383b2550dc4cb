// Calls of the API as tests make them: without retries where the code is what is tested.
#ifndef ACCLIMATE_TESTS_E2E_API_CLIENT_H_
#define ACCLIMATE_TESTS_E2E_API_CLIENT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/artifact_service.pb.h"
#include "acclimate/v1/job.pb.h"
#include "client/lib/connection.h"
#include "tests/e2e/server_process.h"

namespace acclimate::e2e {

// What must be the same before and after a bad request.
struct ServerFacts {
  int64_t jobs = 0;
  bool serving = false;
  int slots = 0;
  int warm_workers = 0;
};

class ApiClient {
 public:
  explicit ApiClient(const ServerProcess& server) : ApiClient(server.Connect()) {}
  explicit ApiClient(std::unique_ptr<client::Connection> connection)
      : connection_(std::move(connection)) {}

  client::Connection& connection() { return *connection_; }

  // The blob's name. Fails the test when the server does not take it.
  std::string Upload(const std::string& bytes);
  // One that nothing has been written to yet.
  absl::StatusOr<v1::Upload> CreateUpload(const std::string& sha256, int64_t size_bytes);
  absl::StatusOr<v1::Job> Create(const v1::JobSpec& spec, const std::string& request_id = "");
  absl::StatusOr<v1::Job> Get(const std::string& job);
  absl::StatusOr<v1::Job> Cancel(const std::string& job);
  absl::StatusOr<v1::Job> Pause(const std::string& job);
  absl::StatusOr<v1::Job> Resume(const std::string& job);
  absl::StatusOr<v1::Job> Retry(const std::string& job, const std::string& request_id = "");
  absl::Status Delete(const std::string& job);
  std::vector<v1::Job> List(const std::string& filter = "");
  bool HasBlob(const std::string& blob);
  absl::Status Pin(const std::string& blob);
  absl::Status Unpin(const std::string& blob);
  std::string Download(const std::string& blob);
  std::string DownloadFile(const v1::Job& job, const std::string& name);

  // Waits for the job's end; the job as it is after five minutes otherwise.
  v1::Job WaitForEnd(const std::string& job);
  // Waits until a running job has made a step of training.
  v1::Job WaitForStep(const std::string& job, int64_t step = 1);
  // Every event of an ended job.
  std::vector<v1::JobEvent> Events(const std::string& job, int64_t after = 0);

  // By the standard health service.
  bool Serving();
  ServerFacts Facts();

 private:
  std::unique_ptr<client::Connection> connection_;
};

// The same bytes for equal messages: those of SerializeAsString() may hold a map in any order.
std::string Bytes(const google::protobuf::MessageLite& message);

// Jobs over images of test_data.h.
v1::JobSpec TrainingSpec(const std::string& data, int64_t epochs = 3);
v1::JobSpec AdaptationSpec(const std::string& method, const std::string& checkpoint,
                           const std::string& target);
void SetInteger(const std::string& name, int64_t value, v1::JobSpec* spec);

// A job that trains until it is stopped: for tests of what happens meanwhile.
v1::JobSpec EndlessSpec(const std::string& data);

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_API_CLIENT_H_
