// Messages and files with something wrong in their structure: the server lives and says what is
// wrong, and a worker's verdict arrives.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/mutation.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;
using google::protobuf::Message;

constexpr absl::Duration kVerdict = absl::Seconds(5);

// A request that the server takes, and the call that it is for.
struct Request {
  std::string path;  // "/acclimate.v1.JobService/GetJob"
  std::unique_ptr<Message> message;
};

class MalformedMessageTest : public testing::Test {
 protected:
  void SetUp() override {
    data_ = api_.Upload(e2e::RandomBytes(1000, 1));
    job_ = api_.Create(e2e::TrainingSpec(data_))->name();
    ASSERT_TRUE(api_.Cancel(job_).ok());
    for (const char* service :
         {"JobService", "ArtifactService", "CatalogService", "AdminService"}) {
      AddRequestsOf(service);
    }
    ASSERT_GT(requests_.size(), 20u);
  }

  // One for each call, with its fields filled by their names.
  void AddRequestsOf(const std::string& service) {
    const auto* described = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        absl::StrCat("acclimate.v1.", service));
    ASSERT_NE(described, nullptr) << service;
    for (int i = 0; i < described->method_count(); ++i) {
      const auto* method = described->method(i);
      std::unique_ptr<Message> message(google::protobuf::MessageFactory::generated_factory()
                                           ->GetPrototype(method->input_type())
                                           ->New());
      Fill(method->name(), *message);
      requests_.push_back(
          {absl::StrCat("/acclimate.v1.", service, "/", method->name()), std::move(message)});
    }
  }

  void Fill(const std::string& method, Message& message) {
    const auto* fields = message.GetDescriptor();
    const auto* reflection = message.GetReflection();
    const auto set = [&](const char* name, const std::string& text) {
      const auto* field = fields->FindFieldByName(name);
      if (field != nullptr) reflection->SetString(&message, field, text);
    };
    const bool of_blob = absl::StrContains(method, "Blob");
    const bool of_upload = absl::StrContains(method, "Upload");
    // What is deleted, or aborted, is not what others ask for.
    set("name", of_blob                 ? data_
                : of_upload             ? "tenants/default/uploads/absent"
                : method == "GetMethod" ? "methods/shot"
                : method == "DeleteJob" ? "tenants/default/jobs/absent"
                                        : job_);
    set("parent", client::kDefaultParent);
    set("sha256", artifacts::Sha256Of("x"));
    set("level", "error");
    if (auto* create = dynamic_cast<v1::CreateJobRequest*>(&message)) {
      *create->mutable_spec() = e2e::TrainingSpec(data_);
    }
    if (auto* find = dynamic_cast<v1::FindMissingBlobsRequest*>(&message)) find->add_blobs(data_);
  }

  // The answer to these bytes, and only these.
  grpc::Status Send(const std::string& path, const std::string& bytes) {
    grpc::GenericStub stub(api_.connection().channel());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(5)));
    grpc::CompletionQueue queue;
    const auto next = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    const auto call = stub.PrepareCall(&context, path, &queue);
    call->StartCall(nullptr);
    next();
    grpc::Slice slice(bytes);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
    next();
    grpc::ByteBuffer answer;
    do {
      answer.Clear();
      call->Read(&answer, nullptr);
    } while (next());
    grpc::Status status;
    call->Finish(&status, nullptr);
    next();
    return status;
  }

  ServerProcess server_{/*slots=*/0, {"--log-level=error"}};
  ApiClient api_{server_};
  std::string data_, job_;
  std::vector<Request> requests_;
};

TEST_F(MalformedMessageTest, IsNeverTheServersFault) {
  std::mt19937_64 random = RandomFor("messages");
  const std::set<grpc::StatusCode> faults = {grpc::INTERNAL,    grpc::UNKNOWN,
                                             grpc::UNAVAILABLE, grpc::DEADLINE_EXCEEDED,
                                             grpc::DATA_LOSS,   grpc::CANCELLED};
  std::map<std::string, int64_t> codes;
  const int64_t messages = Count(10'000, 2'000'000);
  for (int64_t i = 0; i < messages; ++i) {
    const Request& request =
        requests_[static_cast<size_t>(Draw(random, static_cast<int64_t>(requests_.size()) - 1))];
    std::unique_ptr<Message> message(request.message->New());
    message->CopyFrom(*request.message);
    MutateMessage(*message, random);
    std::string bytes = message->SerializePartialAsString();
    if (Draw(random, 3) == 0 && !bytes.empty()) bytes = MutateFile(bytes, random);
    const grpc::Status status = Send(request.path, bytes);
    ++codes[absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()))];
    EXPECT_EQ(faults.count(status.error_code()), 0u)
        << request.path << ": " << status.error_code() << " " << status.error_message() << "\n"
        << message->ShortDebugString().substr(0, 500);
    if (HasFailure()) break;
  }
  EXPECT_TRUE(api_.Serving());
  EXPECT_TRUE(api_.Create(e2e::TrainingSpec(data_)).ok());
  std::string text;
  for (const auto& [code, count] : codes) absl::StrAppend(&text, " ", code, " ", count);
  Report("messages", absl::StrCat(messages, ":", text));
}

class MalformedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    const e2e::Images images = {.count = 40};
    labelled_ = e2e::ImageDataset(images, true);
    data_ = api_.Upload(labelled_);
    const v1::Job trained = api_.WaitForEnd(api_.Create(e2e::TrainingSpec(data_, 1))->name());
    ASSERT_EQ(trained.state(), v1::JOB_STATE_SUCCEEDED) << trained.DebugString();
    model_ = ModelOf(trained);
    models_ = {api_.Download(model_)};
    const std::string script = e2e::TorchScriptClassifier(images.classes);
    if (!script.empty()) models_.push_back(script);
  }

  ServerProcess server_{/*slots=*/2};
  ApiClient api_{server_};
  std::string labelled_, data_, model_;
  std::vector<std::string> models_;
};

TEST_F(MalformedFileTest, GetsAVerdict) {
  std::mt19937_64 random = RandomFor("files");
  const int64_t files = Count(60, 10'000);
  std::map<std::string, int64_t> verdicts;
  absl::Duration longest;
  for (int64_t i = 0; i < files; ++i) {
    const bool of_model = i % 2 == 0;
    const std::string& whole =
        of_model ? models_[static_cast<size_t>(i / 2) % models_.size()] : labelled_;
    std::string bytes = MutateFile(whole, random);
    if (bytes.empty()) bytes = "x";
    const std::string blob = api_.Upload(bytes);
    v1::JobSpec spec =
        e2e::AdaptationSpec("evaluate", of_model ? blob : model_, of_model ? data_ : blob);
    spec.mutable_model()->set_architecture(i % 4 == 2 ? "" : "lenet");
    const absl::StatusOr<v1::Job> created = api_.Create(spec);
    ASSERT_TRUE(created.ok()) << created.status();
    const v1::Job job = api_.WaitForEnd(created->name());
    const v1::Attempt& last = *job.attempts().rbegin();
    const absl::Duration run =
        absl::Seconds(last.end_time().seconds() - last.start_time().seconds()) +
        absl::Nanoseconds(last.end_time().nanos() - last.start_time().nanos());
    longest = std::max(longest, run);
    ++verdicts[job.state() == v1::JOB_STATE_SUCCEEDED
                   ? "SUCCEEDED"
                   : absl::StatusCodeToString(static_cast<absl::StatusCode>(job.error().code()))];
    if (job.state() == v1::JOB_STATE_SUCCEEDED) continue;
    EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED) << job.DebugString();
    EXPECT_EQ(last.cause(), v1::ATTEMPT_CAUSE_USER_ERROR) << job.DebugString();
    EXPECT_FALSE(job.error().message().empty()) << job.DebugString();
  }
  if (RunOptions().long_form) {
    EXPECT_LE(longest, kVerdict);
  }
  EXPECT_EQ(api_.WaitForEnd(api_.Create(e2e::TrainingSpec(data_, 1))->name()).state(),
            v1::JOB_STATE_SUCCEEDED);
  std::string text;
  for (const auto& [verdict, count] : verdicts) absl::StrAppend(&text, " ", verdict, " ", count);
  Report("files", absl::StrCat(files, ":", text, "; longest until the verdict ",
                               absl::FormatDuration(longest)));
}

}  // namespace
}  // namespace acclimate::reliability
