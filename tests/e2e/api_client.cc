#include "tests/e2e/api_client.h"

#include "absl/time/clock.h"
#include "client/lib/downloader.h"
#include "client/lib/job_watcher.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"

namespace acclimate::e2e {
namespace {

// grpc.health.v1.HealthCheckResponse with status SERVING, on the wire.
constexpr char kServing[] = "\x08\x01";

}  // namespace

std::string ApiClient::Upload(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder.File("blob");
  WriteFile(path, bytes);
  auto uploaded = client::Uploader(*connection_).Upload({path});
  EXPECT_TRUE(uploaded.ok()) << uploaded.status();
  return uploaded.ok() ? uploaded->front().blob : "";
}

absl::StatusOr<v1::Upload> ApiClient::CreateUpload(const std::string& sha256, int64_t size_bytes) {
  v1::CreateUploadRequest request;
  request.set_parent(connection_->Parent());
  request.set_sha256(sha256);
  request.set_size_bytes(size_bytes);
  return connection_->Call<v1::Upload>(connection_->artifacts(),
                                       &v1::ArtifactService::Stub::CreateUpload, request);
}

absl::StatusOr<v1::Job> ApiClient::Create(const v1::JobSpec& spec, const std::string& request_id) {
  v1::CreateJobRequest request;
  request.set_parent(connection_->Parent());
  *request.mutable_spec() = spec;
  request.set_request_id(request_id);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::CreateJob, request);
}

absl::Status ApiClient::Delete(const std::string& job) {
  v1::DeleteJobRequest request;
  request.set_name(job);
  return connection_
      ->Call<google::protobuf::Empty>(connection_->jobs(), &v1::JobService::Stub::DeleteJob,
                                      request)
      .status();
}

absl::StatusOr<v1::Job> ApiClient::Get(const std::string& job) {
  v1::GetJobRequest request;
  request.set_name(job);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::GetJob, request);
}

absl::StatusOr<v1::Job> ApiClient::Cancel(const std::string& job) {
  v1::CancelJobRequest request;
  request.set_name(job);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::CancelJob, request);
}

absl::StatusOr<v1::Job> ApiClient::Pause(const std::string& job) {
  v1::PauseJobRequest request;
  request.set_name(job);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::PauseJob, request);
}

absl::StatusOr<v1::Job> ApiClient::Resume(const std::string& job) {
  v1::ResumeJobRequest request;
  request.set_name(job);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::ResumeJob, request);
}

absl::StatusOr<v1::Job> ApiClient::Retry(const std::string& job, const std::string& request_id) {
  v1::RetryJobRequest request;
  request.set_name(job);
  request.set_request_id(request_id);
  return connection_->Call<v1::Job>(connection_->jobs(), &v1::JobService::Stub::RetryJob, request);
}

std::vector<v1::Job> ApiClient::List(const std::string& filter) {
  v1::ListJobsRequest request;
  request.set_parent(connection_->Parent());
  request.set_filter(filter);
  request.set_page_size(1000);
  std::vector<v1::Job> jobs;
  do {
    auto page = connection_->Call<v1::ListJobsResponse>(connection_->jobs(),
                                                        &v1::JobService::Stub::ListJobs, request);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) break;
    jobs.insert(jobs.end(), page->jobs().begin(), page->jobs().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return jobs;
}

bool ApiClient::HasBlob(const std::string& blob) {
  v1::GetBlobRequest request;
  request.set_name(blob);
  return connection_
      ->Call<v1::Blob>(connection_->artifacts(), &v1::ArtifactService::Stub::GetBlob, request)
      .ok();
}

absl::Status ApiClient::Pin(const std::string& blob) {
  v1::PinBlobRequest request;
  request.set_name(blob);
  return connection_
      ->Call<v1::Blob>(connection_->artifacts(), &v1::ArtifactService::Stub::PinBlob, request)
      .status();
}

absl::Status ApiClient::Unpin(const std::string& blob) {
  v1::UnpinBlobRequest request;
  request.set_name(blob);
  return connection_
      ->Call<v1::Blob>(connection_->artifacts(), &v1::ArtifactService::Stub::UnpinBlob, request)
      .status();
}

std::string ApiClient::Download(const std::string& blob) {
  const TemporaryFolder folder;
  const absl::Status status = client::Downloader(*connection_).Download(blob, folder.File("blob"));
  EXPECT_TRUE(status.ok()) << status;
  return ReadFile(folder.File("blob"));
}

std::string ApiClient::DownloadFile(const v1::Job& job, const std::string& name) {
  for (const v1::OutputFile& file : job.result().files()) {
    if (file.name() == name) return Download(file.blob());
  }
  ADD_FAILURE() << "no " << name << " in " << job.DebugString();
  return "";
}

v1::Job ApiClient::WaitForEnd(const std::string& job) {
  v1::Job last;
  EXPECT_TRUE(WaitUntil([&] {
    absl::StatusOr<v1::Job> current = Get(job);
    if (current.ok()) last = *current;
    return current.ok() && client::HasEnded(last.state());
  })) << last.DebugString();
  return last;
}

v1::Job ApiClient::WaitForStep(const std::string& job, int64_t step) {
  v1::Job last;
  EXPECT_TRUE(WaitUntil([&] {
    absl::StatusOr<v1::Job> current = Get(job);
    if (current.ok()) last = *current;
    return current.ok() && last.state() == v1::JOB_STATE_RUNNING && last.progress().step() >= step;
  })) << last.DebugString();
  return last;
}

std::vector<v1::JobEvent> ApiClient::Events(const std::string& job, int64_t after) {
  std::vector<v1::JobEvent> events;
  client::JobWatcher watcher(*connection_,
                             [&](const v1::JobEvent& event) { events.push_back(event); });
  const absl::Status status = watcher.Watch(job, after).status();
  EXPECT_TRUE(status.ok()) << status;
  return events;
}

bool ApiClient::Serving() {
  auto channel =
      grpc::CreateChannel(connection_->options().server, grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::ByteBuffer request, response;
  grpc::Slice empty;
  request = grpc::ByteBuffer(&empty, 1);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Slice answer;
  return status.ok() && response.DumpToSingleSlice(&answer).ok() &&
         std::string(answer.begin(), answer.end()) == kServing;
}

ServerFacts ApiClient::Facts() {
  auto info = connection_->Call<v1::ServerInfo>(
      connection_->admin(), &v1::AdminService::Stub::GetServerInfo, v1::GetServerInfoRequest());
  EXPECT_TRUE(info.ok()) << info.status();
  return {static_cast<int64_t>(List().size()), Serving(), info.ok() ? info->slots() : 0,
          info.ok() ? info->warm_workers() : 0};
}

void SetInteger(const std::string& name, int64_t value, v1::JobSpec* spec) {
  (*spec->mutable_hyperparameters())[name].set_integer(value);
}

std::string Bytes(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

v1::JobSpec TrainingSpec(const std::string& data, int64_t epochs) {
  v1::JobSpec spec;
  spec.set_method("finetune");
  spec.mutable_model()->set_architecture("lenet");
  spec.mutable_target()->set_blob(data);
  spec.mutable_target()->set_display_name("images.safetensors");
  SetInteger("epochs", epochs, &spec);
  SetInteger("batch_size", 20, &spec);
  // Threads that wait for each other are slow where other tests run beside them.
  spec.mutable_resources()->set_threads(1);
  return spec;
}

v1::JobSpec EndlessSpec(const std::string& data) { return TrainingSpec(data, 100000); }

v1::JobSpec AdaptationSpec(const std::string& method, const std::string& checkpoint,
                           const std::string& target) {
  v1::JobSpec spec;
  spec.set_method(method);
  spec.mutable_model()->set_checkpoint(checkpoint);
  spec.mutable_target()->set_blob(target);
  spec.mutable_target()->set_display_name("target.safetensors");
  spec.mutable_resources()->set_threads(1);
  return spec;
}

}  // namespace acclimate::e2e
