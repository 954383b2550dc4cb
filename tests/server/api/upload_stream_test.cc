#include "server/api/upload_stream.h"

#include <memory>
#include <string>
#include <thread>

#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

TEST(UploadPaceTest, NothingForAWholeWindowIsTooSlow) {
  UploadPace pace(1000);
  EXPECT_EQ(pace.Patience(), UploadPace::kWindow);
  EXPECT_FALSE(pace.Add(UploadPace::kWindow, 0));
}

TEST(UploadPaceTest, AWindowIsJudgedAsAWhole) {
  UploadPace pace(1000);
  EXPECT_TRUE(pace.Add(absl::Seconds(29), 0)) << "it may still come";
  EXPECT_EQ(pace.Patience(), absl::Seconds(1));
  EXPECT_TRUE(pace.Add(absl::Seconds(1), 30'000));
  EXPECT_EQ(pace.Patience(), UploadPace::kWindow) << "the next window begins";
  EXPECT_TRUE(pace.Add(absl::Seconds(15), 29'999));
  EXPECT_FALSE(pace.Add(absl::Seconds(15), 0));
}

TEST(UploadPaceTest, WhatCameEarlierDoesNotCount) {
  UploadPace pace(1000);
  EXPECT_TRUE(pace.Add(UploadPace::kWindow, 1 << 30));
  EXPECT_FALSE(pace.Add(UploadPace::kWindow, 0));
}

TEST(UploadPaceTest, WithoutALeastRateThereIsTimeForEver) {
  UploadPace pace(0);
  EXPECT_EQ(pace.Patience(), absl::InfiniteDuration());
  EXPECT_TRUE(pace.Add(absl::Hours(100), 0));
}

// Counts what comes.
class CountingService final
    : public v1::ArtifactService::WithRawCallbackMethod_WriteUpload<v1::ArtifactService::Service> {
 public:
  grpc::ServerReadReactor<grpc::ByteBuffer>* WriteUpload(grpc::CallbackServerContext*,
                                                         grpc::ByteBuffer* response) override {
    auto* const stream = new UploadStream(pace);
    std::thread([stream, response] {
      v1::Upload upload;
      absl::Status status;
      while (status.ok()) {
        const auto chunk = stream->Read();
        status = chunk.status();
        if (!chunk.ok() || *chunk == nullptr) break;
        upload.set_committed_bytes(upload.committed_bytes() + (*chunk)->data().size());
      }
      bool own_buffer = false;
      grpc::SerializationTraits<v1::Upload>::Serialize(upload, response, &own_buffer);
      stream->Finish(ToGrpcStatus(status));
    }).detach();
    return stream;
  }

  UploadPace pace{0};
};

class UploadStreamTest : public testing::Test {
 protected:
  UploadStreamTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::ArtifactService::NewStub(channel_);
  }

  CountingService service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> stub_;
};

TEST_F(UploadStreamTest, AnUploadIsReadToItsEnd) {
  grpc::ClientContext context;
  v1::Upload answer;
  const auto writer = stub_->WriteUpload(&context, &answer);
  v1::WriteUploadRequest chunk;
  chunk.set_data(std::string(1 << 20, 'x'));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(writer->Write(chunk));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(answer.committed_bytes(), 8 << 20);
}

// gRPC's own reader takes such a message for the end of the stream.
TEST_F(UploadStreamTest, AMessageThatIsNoChunkIsRefused) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, "/acclimate.v1.ArtifactService/WriteUpload", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  for (const std::string& bytes : {std::string(), std::string("\xff\xff no chunk")}) {
    const grpc::Slice slice(bytes);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(next());
  }
  call->WritesDone(nullptr);
  next();
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(next());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// The call ends although the client neither sends nor ends it.
TEST_F(UploadStreamTest, AClientThatStopsIsAnswered) {
  service_.pace = UploadPace(int64_t{1} << 40, absl::Milliseconds(50));
  grpc::ClientContext context;
  v1::Upload answer;
  const auto writer = stub_->WriteUpload(&context, &answer);
  EXPECT_TRUE(writer->Write(v1::WriteUploadRequest()));
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(ReasonOf(FromRpcStatus(details)), "UPLOAD_TOO_SLOW");
}

TEST_F(UploadStreamTest, AClientThatGoesEndsTheStream) {
  grpc::ClientContext context;
  v1::Upload answer;
  const auto writer = stub_->WriteUpload(&context, &answer);
  EXPECT_TRUE(writer->Write(v1::WriteUploadRequest()));
  context.TryCancel();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace acclimate::api
