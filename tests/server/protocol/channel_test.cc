#include "server/protocol/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/time/clock.h"
#include "acclimate/v1/worker.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::protocol {
namespace {

v1::WorkerToNode Warning(const std::string& text) {
  v1::WorkerToNode message;
  message.set_warning(text);
  return message;
}

// A message that is exactly so large on the wire.
v1::WorkerToNode WarningOfBytes(size_t bytes) {
  v1::WorkerToNode message = Warning(std::string(bytes, 'x'));
  message.set_warning(std::string(bytes - (message.ByteSizeLong() - bytes), 'x'));
  EXPECT_EQ(message.ByteSizeLong(), bytes);
  return message;
}

std::string Frame(uint32_t claimed_bytes, const std::string& payload) {
  std::string frame(4, '\0');
  std::memcpy(frame.data(), &claimed_bytes, 4);  // little-endian, as the machines we run on
  return frame + payload;
}

class ChannelTest : public testing::Test {
 protected:
  explicit ChannelTest(Channel::Descriptors theirs = Channel::Descriptors::kAccept)
      : ChannelTest(*MakeSocketPair(), theirs) {}

  void SendRaw(const std::string& bytes) {
    ASSERT_EQ(send(ours_->fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  absl::StatusCode ReceiveCode() { return theirs_->Receive(received_).code(); }

  std::unique_ptr<Channel> ours_, theirs_;
  v1::WorkerToNode received_;

 private:
  ChannelTest(SocketPair pair, Channel::Descriptors theirs)
      : ours_(std::make_unique<Channel>(std::move(pair.ours), Channel::Descriptors::kRefuse)),
        theirs_(std::make_unique<Channel>(std::move(pair.theirs), theirs)) {}
};

TEST_F(ChannelTest, MessagesArriveInOrder) {
  for (const char* text : {"one", "", "three"}) ASSERT_TRUE(ours_->Send(Warning(text)).ok());
  ASSERT_TRUE(ours_->Send(v1::WorkerToNode()).ok());  // a frame without a payload
  for (const char* text : {"one", "", "three"}) {
    ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
    EXPECT_EQ(received_.warning(), text);
  }
  ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  EXPECT_EQ(received_.kind_case(), v1::WorkerToNode::KIND_NOT_SET);
  EXPECT_FALSE(*theirs_->TryReceive(received_));
}

TEST(ChannelLimitTest, AFrameOverWhatTheReceiverTakesEndsTheChannel) {
  absl::StatusOr<SocketPair> pair = MakeSocketPair();
  ASSERT_TRUE(pair.ok());
  Channel sender(std::move(pair->ours), Channel::Descriptors::kRefuse);
  Channel receiver(std::move(pair->theirs), Channel::Descriptors::kRefuse, 1000);
  v1::WorkerToNode message;
  ASSERT_TRUE(sender.Send(WarningOfBytes(1000)).ok());
  EXPECT_TRUE(receiver.Receive(message).ok());
  ASSERT_TRUE(sender.Send(WarningOfBytes(1001)).ok());
  EXPECT_EQ(receiver.Receive(message).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ChannelTest, AMessageIsWholeOrNotThereYet) {
  const std::string payload = Warning("in pieces").SerializeAsString();
  const std::string frame = Frame(payload.size(), payload);
  for (size_t i = 0; i < frame.size(); ++i) {
    ASSERT_FALSE(*theirs_->TryReceive(received_)) << i;
    SendRaw(frame.substr(i, 1));
  }
  ASSERT_TRUE(*theirs_->TryReceive(received_));
  EXPECT_EQ(received_.warning(), "in pieces");
}

TEST_F(ChannelTest, TheLargestFramePasses) {
  std::thread sender([&] { EXPECT_TRUE(ours_->Send(WarningOfBytes(kMaxFrameBytes)).ok()); });
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  EXPECT_EQ(received_.ByteSizeLong(), kMaxFrameBytes);
  sender.join();
}

TEST_F(ChannelTest, WhatIsTooLargeIsNotSent) {
  EXPECT_TRUE(absl::IsResourceExhausted(ours_->Send(WarningOfBytes(kMaxFrameBytes + 1))));
  const std::vector<int> descriptors(kMaxDescriptorsPerFrame + 1, STDIN_FILENO);
  EXPECT_TRUE(absl::IsResourceExhausted(ours_->Send(Warning("files"), descriptors)));
  EXPECT_FALSE(*theirs_->TryReceive(received_));
  EXPECT_TRUE(ours_->Send(Warning("small")).ok()) << "the channel still works";
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kOk);
}

TEST_F(ChannelTest, AFrameThatClaimsTooMuchIsRefusedBeforeItComes) {
  SendRaw(Frame(kMaxFrameBytes + 1, ""));
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ChannelTest, AFrameThatClaimsTheMostIsRefused) {
  SendRaw(Frame(0xffffffff, "some bytes"));
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ChannelTest, AFrameThatHoldsNoMessageIsRefused) {
  SendRaw(Frame(3, "\xff\xff\xff"));
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ChannelTest, ATruncatedFrameIsNoMessage) {
  const std::string payload = Warning("cut").SerializeAsString();
  SendRaw(Frame(payload.size(), payload.substr(0, payload.size() - 1)));
  ours_ = nullptr;
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kUnavailable);
}

TEST_F(ChannelTest, ATruncatedHeaderIsNoMessage) {
  SendRaw("\x01");
  ours_ = nullptr;
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kUnavailable);
}

TEST_F(ChannelTest, WhatWasSentBeforeTheEndStillArrives) {
  ASSERT_TRUE(ours_->Send(Warning("last words")).ok());
  ours_ = nullptr;
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  EXPECT_EQ(received_.warning(), "last words");
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsUnavailable(theirs_->Send(Warning("to nobody"))));
}

TEST_F(ChannelTest, WaitsNoLongerThanItsDeadline) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(theirs_->Receive(received_, Instant::Now())));
  ASSERT_TRUE(ours_->Send(Warning("late")).ok());
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kOk) << "a deadline harms no channel that receives";
  // Nobody reads, and no socket holds this much.
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(ours_->Send(WarningOfBytes(kMaxFrameBytes), {}, Instant::Now())));
}

TEST_F(ChannelTest, ThreadsThatSendAtOnceDoNotMixTheirFrames) {
  constexpr int kThreads = 4, kMessages = 40;
  std::vector<std::thread> senders;
  for (int i = 0; i < kThreads; ++i) {
    senders.emplace_back([this, i] {
      const auto message = Warning(std::string(20000, static_cast<char>('a' + i)));
      for (int sent = 0; sent < kMessages; ++sent) EXPECT_TRUE(ours_->Send(message).ok());
    });
  }
  std::vector<int> received(kThreads, 0);
  for (int i = 0; i < kThreads * kMessages; ++i) {
    ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
    const char sender = received_.warning()[0];
    ASSERT_EQ(received_.warning(), std::string(20000, sender));
    ++received[sender - 'a'];
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_THAT(received, testing::Each(kMessages));
}

// A pipe of which one end is passed on.
struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reading = UniqueFd(ends[0]);
    writing = UniqueFd(ends[1]);
  }
  UniqueFd reading, writing;
};

TEST_F(ChannelTest, DescriptorsArriveWithTheirOwnMessage) {
  Pipe first, second;
  ASSERT_TRUE(ours_->Send(Warning("none")).ok());
  ASSERT_TRUE(ours_->Send(Warning("first"), {first.writing.get()}).ok());
  ASSERT_TRUE(ours_->Send(Warning("both"), {second.writing.get(), first.writing.get()}).ok());
  first.writing.Reset();
  second.writing.Reset();

  ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  EXPECT_TRUE(theirs_->TakeDescriptors().empty());
  ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  std::vector<UniqueFd> files = theirs_->TakeDescriptors();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_NE(fcntl(files[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  char byte = 0;
  ASSERT_EQ(write(files[0].get(), "1", 1), 1);
  EXPECT_EQ(read(first.reading.get(), &byte, 1), 1);
  ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  files = theirs_->TakeDescriptors();
  ASSERT_EQ(files.size(), 2u);
  ASSERT_EQ(write(files[0].get(), "2", 1), 1);
  EXPECT_EQ(read(second.reading.get(), &byte, 1), 1);
}

TEST_F(ChannelTest, AsManyDescriptorsAsTheKernelTakes) {
  Pipe pipe;
  const std::vector<int> descriptors(kMaxDescriptorsPerFrame, pipe.writing.get());
  ASSERT_TRUE(ours_->Send(Warning("many"), descriptors).ok());
  ASSERT_EQ(ReceiveCode(), absl::StatusCode::kOk);
  EXPECT_EQ(theirs_->TakeDescriptors().size(), descriptors.size());
}

class RefusingChannelTest : public ChannelTest {
 protected:
  RefusingChannelTest() : ChannelTest(Channel::Descriptors::kRefuse) {}
};

TEST_F(RefusingChannelTest, UnwantedDescriptorsNeverEnterTheProcess) {
  Pipe pipe;
  ASSERT_TRUE(ours_->Send(Warning("a present"), {pipe.writing.get()}).ok());
  EXPECT_EQ(ReceiveCode(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(theirs_->TakeDescriptors().empty());
  pipe.writing.Reset();
  char byte = 0;
  EXPECT_EQ(read(pipe.reading.get(), &byte, 1), 0) << "somebody still holds the other end";
}

}  // namespace
}  // namespace acclimate::protocol
