// The standard services: health for orchestrators, reflection for people.
#include <future>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";
// What older tools ask, and what newer ones do: the messages are the same.
constexpr const char* kReflect[] = {
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"};
constexpr const char* kServices[] = {"acclimate.v1.JobService", "acclimate.v1.ArtifactService",
                                     "acclimate.v1.CatalogService", "acclimate.v1.AdminService"};

// grpc.health.v1.HealthCheckResponse on the wire: field 1, an enum.
constexpr char kServing[] = "\x08\x01", kNotServing[] = "\x08\x02", kServiceUnknown[] = "\x08\x03";

// A message whose only field is a string.
std::string StringField(int field, const std::string& text) {
  return absl::StrCat(std::string(1, static_cast<char>(field << 3 | 2)),
                      std::string(1, static_cast<char>(text.size())), text);
}
std::string HealthRequest(const std::string& service) { return StringField(1, service); }

// One call of a method whose messages we know as bytes only. For one thread.
class RawCall {
 public:
  RawCall(const std::string& server, const std::string& method, const std::string& request)
      : stub_(grpc::CreateChannel(server, grpc::InsecureChannelCredentials())),
        stream_(stub_.PrepareCall(&context_, method, &queue_)) {
    stream_->StartCall(this);
    Done();
    grpc::Slice slice(request);
    stream_->WriteLast(grpc::ByteBuffer(&slice, 1), {}, this);
    Done();
  }
  ~RawCall() {
    if (!finished_) {
      context_.TryCancel();
      Finish();
    }
  }

  // The next message; empty when there is none.
  std::string Read() {
    grpc::ByteBuffer message;
    stream_->Read(&message, this);
    grpc::Slice slice;
    if (!Done() || !message.DumpToSingleSlice(&slice).ok()) return "";
    return {slice.begin(), slice.end()};
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Done();
    finished_ = true;
    return status;
  }

 private:
  bool Done() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
};

class HealthTest : public testing::Test {
 protected:
  std::string Check(const std::string& service) {
    return RawCall(server_.address(), kCheck, HealthRequest(service)).Read();
  }

  // Nothing here needs a worker.
  ServerProcess server_{/*slots=*/0};
};

TEST_F(HealthTest, ServesAsAWholeAndByService) {
  EXPECT_EQ(Check(""), kServing);
  for (const char* service : kServices) EXPECT_EQ(Check(service), kServing) << service;
}

TEST_F(HealthTest, AServiceThatDoesNotExistIsNotFound) {
  RawCall check(server_.address(), kCheck, HealthRequest("acclimate.v1.NoService"));
  EXPECT_EQ(check.Read(), "");
  EXPECT_EQ(check.Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  RawCall watch(server_.address(), kWatch, HealthRequest("acclimate.v1.NoService"));
  EXPECT_EQ(watch.Read(), kServiceUnknown);
}

TEST_F(HealthTest, AWatchSeesTheServerDrain) {
  std::future<int> exit_code;
  {
    RawCall whole(server_.address(), kWatch, HealthRequest(""));
    RawCall jobs(server_.address(), kWatch, HealthRequest("acclimate.v1.JobService"));
    ASSERT_EQ(whole.Read(), kServing);
    ASSERT_EQ(jobs.Read(), kServing);
    exit_code = std::async(std::launch::async, [this] { return server_.Stop(); });
    EXPECT_EQ(whole.Read(), kNotServing);
    EXPECT_EQ(jobs.Read(), kNotServing);
  }
  EXPECT_EQ(exit_code.get(), 0);
}

TEST_F(HealthTest, ReflectionListsTheServices) {
  constexpr int kListServices = 7;  // of ServerReflectionRequest
  for (const char* reflect : kReflect) {
    SCOPED_TRACE(reflect);
    RawCall call(server_.address(), reflect, StringField(kListServices, ""));
    const std::string services = call.Read();
    for (const char* service : kServices) EXPECT_THAT(services, HasSubstr(service));
    EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
    EXPECT_THAT(services, HasSubstr("grpc.reflection.v1.ServerReflection"));
  }
}

TEST_F(HealthTest, ReflectionDescribesAMethod) {
  constexpr int kFileContainingSymbol = 4;  // of ServerReflectionRequest
  for (const char* reflect : kReflect) {
    SCOPED_TRACE(reflect);
    RawCall call(server_.address(), reflect,
                 StringField(kFileContainingSymbol, "acclimate.v1.JobService"));
    EXPECT_THAT(call.Read(), AllOf(HasSubstr("CreateJob"), HasSubstr("WatchJobRequest"),
                                   HasSubstr("google/rpc/status.proto")));
  }
}

TEST_F(HealthTest, ReflectionSaysWhatIsNotThere) {
  constexpr int kFileByFilename = 3;  // of ServerReflectionRequest
  RawCall call(server_.address(), kReflect[1], StringField(kFileByFilename, "no_such.proto"));
  EXPECT_THAT(call.Read(), HasSubstr("there is no no_such.proto"));
  EXPECT_TRUE(call.Finish().ok());
}

}  // namespace
}  // namespace acclimate::e2e
