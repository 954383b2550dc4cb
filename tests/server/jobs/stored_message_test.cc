#include "server/jobs/stored_message.h"

#include "acclimate/v1/job.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace acclimate::jobs {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::Job SomeJob() {
  v1::Job job;
  job.set_name("tenants/default/jobs/one");
  job.mutable_spec()->set_method("finetune");
  job.mutable_spec()->set_seed(7);
  job.set_last_cursor(1);
  return job;
}

TEST(StoredMessageTest, ComesBackAsItWas) {
  v1::Job read;
  ASSERT_TRUE(FromStored(ToStored(SomeJob()), read));
  EXPECT_TRUE(MessageDifferencer::Equals(read, SomeJob()));
  EXPECT_EQ(read.SerializeAsString(), SomeJob().SerializeAsString())
      << "nothing is left of the sum";
  ASSERT_TRUE(FromStored(ToStored(v1::Job()), read));
  EXPECT_TRUE(MessageDifferencer::Equals(read, v1::Job()));
}

TEST(StoredMessageTest, NoBitFlipsUnnoticed) {
  const std::string stored = ToStored(SomeJob());
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    std::string flipped = stored;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    v1::Job read;
    EXPECT_FALSE(FromStored(flipped, read)) << "bit " << bit << ": " << read.ShortDebugString();
  }
}

TEST(StoredMessageTest, ARowOfBeforeThereWereSumsIsRead) {
  v1::Job read;
  ASSERT_TRUE(FromStored(SomeJob().SerializeAsString(), read));
  EXPECT_TRUE(MessageDifferencer::Equals(read, SomeJob()));
}

}  // namespace
}  // namespace acclimate::jobs
