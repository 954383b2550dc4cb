// Each rule of the verdict on evidence made for it.
#include "core/shift/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::shift {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Evidence SameDomain() {
  Evidence evidence;
  evidence.input_p_value = evidence.feature_p_value = evidence.output_p_value = 0.4;
  evidence.input_distance = evidence.feature_distance = evidence.output_distance = 0.05;
  evidence.prediction_p_value = 0.5;
  evidence.label_overlap = evidence.aligned_label_overlap = 0.98;
  evidence.residual_p_value = 0.5;
  evidence.residual_distance = 0.05;
  evidence.confidence_p_value = 0.5;
  return evidence;
}

// Everything moved, the predictions with it; aligned, the classes have their old shares.
Evidence OtherSensor() {
  Evidence evidence = SameDomain();
  evidence.input_p_value = evidence.feature_p_value = evidence.output_p_value = 0.002;
  evidence.input_distance = evidence.feature_distance = evidence.output_distance = 1.8;
  evidence.prediction_p_value = 1e-9;
  evidence.label_overlap = 0.5;
  evidence.residual_p_value = 0.002;
  evidence.residual_distance = 1.7;
  return evidence;
}

// Features differ because of the classes' shares: sources with those shares look the same.
Evidence OtherShares() {
  Evidence evidence = SameDomain();
  evidence.input_p_value = evidence.feature_p_value = evidence.output_p_value = 0.002;
  evidence.input_distance = evidence.feature_distance = evidence.output_distance = 0.6;
  evidence.prediction_p_value = 1e-9;
  evidence.label_overlap = evidence.aligned_label_overlap = 0.7;
  return evidence;
}

LabelEvidence Contradicting() { return {0.0005, 30, 0.5, 0.95}; }

TEST(JudgeTest, NoShift) {
  const Finding finding = Judge(SameDomain());
  EXPECT_EQ(KindText(finding), "none");
  EXPECT_EQ(finding.strength, Strength::kNegligible);
  EXPECT_THAT(Sentence(finding, SameDomain()), HasSubstr("No shift"));
}

TEST(JudgeTest, ADifferenceThatIsSureButSmallIsNone) {
  Evidence evidence = SameDomain();
  evidence.input_p_value = evidence.feature_p_value = evidence.output_p_value = 0.001;
  EXPECT_EQ(KindText(Judge(evidence)), "none");
}

TEST(JudgeTest, ADifferenceThatIsLargeButUnsureIsNone) {
  Evidence evidence = SameDomain();
  evidence.input_distance = evidence.feature_distance = evidence.output_distance = 0.6;
  EXPECT_EQ(KindText(Judge(evidence)), "none");
}

TEST(JudgeTest, CovariateShift) {
  const Finding finding = Judge(OtherSensor());
  EXPECT_EQ(KindText(finding), "covariate");
  EXPECT_EQ(finding.strength, Strength::kStrong);
  EXPECT_TRUE(finding.features_moved);
  EXPECT_THAT(Sentence(finding, OtherSensor()), HasSubstr("Covariate shift (strong)"));
  EXPECT_THAT(Sentence(finding, OtherSensor()), HasSubstr("95 %"));
}

TEST(JudgeTest, CovariateShiftThatTheFeaturesIgnore) {
  Evidence evidence = SameDomain();
  evidence.input_p_value = 0.001;
  evidence.input_distance = 1.9;
  const Finding finding = Judge(evidence);
  EXPECT_EQ(KindText(finding), "covariate");
  EXPECT_FALSE(finding.features_moved);
  EXPECT_EQ(finding.strength, Strength::kNegligible);
  EXPECT_THAT(Sentence(finding, evidence), HasSubstr("already ignores"));
  const MethodOffer offer = {"shot", {ShiftKind::kCovariate}, false, false, false, false, false,
                             {}};
  EXPECT_THAT(FitMethods(finding, evidence, {offer}, {}).fit, IsEmpty());
}

TEST(JudgeTest, LabelShift) {
  const Finding finding = Judge(OtherShares());
  EXPECT_EQ(KindText(finding), "label");
  EXPECT_EQ(finding.strength, Strength::kModerate);
  EXPECT_THAT(Sentence(finding, OtherShares()), HasSubstr("30 %"));
}

TEST(JudgeTest, ATestThatSeesNothingExplainsNothingWhereTheDistanceStays) {
  Evidence evidence = OtherSensor();
  evidence.residual_p_value = 0.02;
  EXPECT_EQ(KindText(Judge(evidence)), "covariate");
  evidence.residual_distance = 0.8;  // of 1.8
  EXPECT_EQ(KindText(Judge(evidence)), "label");
  evidence.residual_p_value = 0.002;
  EXPECT_EQ(KindText(Judge(evidence)), "covariate");
}

TEST(JudgeTest, MixedWhenSharesDifferAfterAlignmentToo) {
  Evidence evidence = OtherSensor();
  evidence.aligned_label_overlap = 0.7;
  EXPECT_THAT(KindNames(Judge(evidence)), ElementsAre("covariate", "label"));
  EXPECT_EQ(KindText(Judge(evidence)), "mixed");
}

TEST(JudgeTest, ConceptShiftNeedsLabelsThatContradictInTheOverlap) {
  Evidence evidence = SameDomain();
  evidence.labels = Contradicting();
  EXPECT_EQ(KindText(Judge(evidence)), "concept");
  EXPECT_EQ(Judge(evidence).strength, Strength::kModerate);
  evidence.labels->samples = 4;
  EXPECT_EQ(KindText(Judge(evidence)), "none");
  EXPECT_EQ(JudgeLabels(*evidence.labels), LabelVerdict::kTooFew);
  evidence.labels = Contradicting();
  evidence.labels->p_value = 0.05;
  EXPECT_EQ(KindText(Judge(evidence)), "none");
  evidence.labels = Contradicting();
  evidence.labels->accuracy = 0.9;  // sure, but small
  EXPECT_EQ(KindText(Judge(evidence)), "none");
}

TEST(JudgeTest, ConceptBesideCovariateIsMixed) {
  Evidence evidence = OtherSensor();
  evidence.labels = Contradicting();
  EXPECT_THAT(KindNames(Judge(evidence)), ElementsAre("covariate", "concept"));
}

TEST(SentenceTest, HintsAtAConceptOnlyWithoutLabelsThatSayMore) {
  Evidence evidence = SameDomain();
  evidence.confidence_p_value = 0.001;
  EXPECT_THAT(Sentence(Judge(evidence), evidence), HasSubstr("a few labels"));
  evidence.labels = Contradicting();
  EXPECT_THAT(Sentence(Judge(evidence), evidence), Not(HasSubstr("a few labels")));
}

TEST(UnknownsTest, SayWhatLabelsWouldShow) {
  EXPECT_THAT(Unknowns(SameDomain()).back(), HasSubstr("probe"));
  Evidence evidence = SameDomain();
  evidence.labels = Contradicting();
  EXPECT_EQ(Unknowns(evidence).size(), 3u);
}

MethodOffer Aligner() {
  return {"dann", {ShiftKind::kCovariate}, true, false, false, false, false, {}};
}
MethodOffer SourceFree() {
  return {"shot", {ShiftKind::kCovariate}, false, false, false, false, false, {}};
}
MethodOffer PriorCorrection() {
  return {"label_shift", {ShiftKind::kLabel}, true, false, false, false, false, {}};
}
MethodOffer Asker() {
  return {"concept_shift", {ShiftKind::kConcept}, false, false, false, false, false, {}};
}

std::string ReasonFor(const MethodOffer& offer, const Evidence& evidence,
                      Available available = {}) {
  const Fitness fitness = FitMethods(Judge(evidence), evidence, {offer}, available);
  return fitness.unfit.empty() ? "" : fitness.unfit[0].reason;
}

TEST(FitMethodsTest, ThoseMadeForTheShiftFit) {
  const std::vector<MethodOffer> all = {Aligner(), SourceFree(), PriorCorrection(), Asker()};
  EXPECT_THAT(FitMethods(Judge(OtherSensor()), OtherSensor(), all, {}).fit,
              ElementsAre("dann", "shot"));
  EXPECT_THAT(FitMethods(Judge(OtherShares()), OtherShares(), all, {}).fit,
              ElementsAre("label_shift"));
  EXPECT_THAT(FitMethods(Judge(SameDomain()), SameDomain(), all, {}).fit, IsEmpty());
  Evidence evidence = SameDomain();
  evidence.labels = Contradicting();
  EXPECT_THAT(FitMethods(Judge(evidence), evidence, all, {}).fit, ElementsAre("concept_shift"));
}

TEST(FitMethodsTest, EveryReasonIsTold) {
  EXPECT_THAT(ReasonFor(Aligner(), SameDomain()), HasSubstr("no shift"));
  EXPECT_THAT(ReasonFor(Aligner(), OtherShares()), HasSubstr("mixes classes"));
  EXPECT_THAT(ReasonFor(PriorCorrection(), OtherSensor()), HasSubstr("looks moved"));
  Evidence both = OtherSensor();
  both.prediction_p_value = 1e-6;
  both.label_overlap = 0.6;
  both.aligned_label_overlap = 0.7;
  ASSERT_EQ(KindText(Judge(both)), "mixed");
  EXPECT_THAT(ReasonFor(PriorCorrection(), both), HasSubstr("looks moved"));
  EXPECT_EQ(ReasonFor(SourceFree(), both), "");
  EXPECT_THAT(ReasonFor(Asker(), OtherSensor()), HasSubstr("nothing hints"));
  Evidence concept_moved = SameDomain();
  concept_moved.labels = Contradicting();
  EXPECT_THAT(ReasonFor(SourceFree(), concept_moved), HasSubstr("no unlabelled sample"));
  EXPECT_THAT(ReasonFor(Aligner(), OtherSensor(), {false, true}), HasSubstr("source data"));
  MethodOffer offer = SourceFree();
  offer.needs_batch_norm = true;
  EXPECT_EQ(ReasonFor(offer, OtherSensor()), "");
  EXPECT_THAT(ReasonFor(offer, OtherSensor(), {true, false}), HasSubstr("batch-norm"));
  offer = SourceFree();
  offer.needs_normalization = true;
  EXPECT_EQ(ReasonFor(offer, OtherSensor(), {true, false}), "");
  EXPECT_THAT(ReasonFor(offer, OtherSensor(), {true, false, true, false}), HasSubstr("normalise"));
  offer = SourceFree();
  offer.needs_images = true;
  EXPECT_EQ(ReasonFor(offer, OtherSensor()), "");
  EXPECT_THAT(ReasonFor(offer, OtherSensor(), {true, true, true, true, false}),
              HasSubstr("images"));
  offer.needs_target_labels = true;
  EXPECT_THAT(ReasonFor(offer, OtherSensor()), HasSubstr("labels of the target"));
  offer = SourceFree();
  offer.needs_vectors = true;
  EXPECT_EQ(ReasonFor(offer, OtherSensor()), "");
  EXPECT_THAT(ReasonFor(offer, OtherSensor(), {true, true, false}), HasSubstr("vectors"));
  offer = SourceFree();
  offer.needs_inputs = {"teacher"};
  EXPECT_THAT(ReasonFor(offer, OtherSensor()), HasSubstr("teacher"));
}

TEST(FitMethodsTest, AligningWholeDomainsFailsWhereSharesAreFarApart) {
  Evidence evidence = OtherSensor();
  evidence.feature_distance = evidence.output_distance = 1.2;
  evidence.aligned_label_overlap = 0.7;
  EXPECT_EQ(ReasonFor(Aligner(), evidence), "");
  evidence.aligned_label_overlap = 0.4;
  EXPECT_THAT(ReasonFor(Aligner(), evidence), HasSubstr("very different shares"));
  EXPECT_EQ(ReasonFor(SourceFree(), evidence), "");
  // Shares estimated from looks that moved far rule nothing out.
  evidence.feature_distance = 1.6;
  EXPECT_EQ(ReasonFor(Aligner(), evidence), "");
}

TEST(FitMethodsTest, MethodsThatAnswerNoShiftAreNotSpokenOf) {
  MethodOffer offer;
  offer.name = "evaluate";
  const Fitness fitness = FitMethods(Judge(OtherSensor()), OtherSensor(), {offer}, {});
  EXPECT_THAT(fitness.fit, IsEmpty());
  EXPECT_TRUE(fitness.unfit.empty());
}

}  // namespace
}  // namespace acclimate::shift
