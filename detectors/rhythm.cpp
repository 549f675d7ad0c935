// SPDX-License-Identifier: Apache-2.0
#include "detectors/rhythm.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace outrider::detectors {
namespace {

constexpr double hours_max = 2.5e6;  // Since 1970, as clocks of 64-bit nanoseconds have them.
constexpr double share_unit = 65535;
constexpr double weeks_min = 0.04;  // Of an hour with a row.
constexpr double weeks_kept = 8;
constexpr double weeks_needed = 1.5;  // Two, a few rows short of full ones.
constexpr double rows_min = 0.5;      // One row, less what arithmetic loses.
constexpr double rows_max = 1e15;

// The prior, in units of one row's standard deviation. Chosen by simulation (decision 0028).
struct Component {
  double deviation, hours;
};
constexpr Component of_day{0.15, 6}, of_week{0.06, 48}, of_hour{0.05, 6}, of_wander{0.3, 24};
constexpr double wander_power = 4;
constexpr double irregular = 0.001;
constexpr double level_deviation = 3;
constexpr double unseen_variance = 1e6;

using Vector = Eigen::VectorXd;
using Matrix = Eigen::MatrixXd;
constexpr auto size = static_cast<Eigen::Index>(week_hours);

double circular(std::size_t difference, std::size_t period) {
  const std::size_t rest = difference % period;
  return static_cast<double>(std::min(rest, period - rest));
}

double decaying(const Component& component, double distance) {
  return component.deviation * component.deviation * std::exp(-distance / component.hours);
}

// Covariance of the rhythm at two hours so far apart, before its mean is taken away.
const std::array<double, week_hours>& covariance() {
  static const auto table = [] {
    std::array<double, week_hours> made{};
    for (std::size_t apart = 0; apart < week_hours; ++apart) {
      const double week = circular(apart, week_hours);
      made[apart] =
          decaying(of_day, circular(apart, 24)) + decaying(of_week, week) + decaying(of_hour, week);
    }
    return made;
  }();
  return table;
}

double covariance(Eigen::Index a, Eigen::Index b) {
  return covariance()[static_cast<std::size_t>(a > b ? a - b : b - a)];
}

// K v: the prior's covariance with a combination of hours.
Vector prior_times(const Vector& v) {
  Vector product = Vector::Zero(size);
  for (Eigen::Index j = 0; j < size; ++j) {
    if (v[j] == 0) continue;
    for (Eigen::Index i = 0; i < size; ++i) product[i] += covariance(i, j) * v[j];
  }
  return product;
}

double variance_of_cell(double rows, double weeks) {
  return rows > 0 ? 1 / rows + irregular / std::max(weeks, 1.0) : unseen_variance;
}

// What the rows of an hour count as a week's: all of one where the week's own wander is what makes
// them uncertain, less where it is their number.
constexpr double few_rows = 1 / (of_wander.deviation * of_wander.deviation);
double part_of_week(double rows) {
  return rows / (rows + few_rows);
}

// The other way round: the rows of one week, of as many in some weeks' parts.
double rows_of_week(double rows, double weeks) {
  return std::max(rows / weeks - few_rows, rows_min);
}

std::uint16_t packed(double share) {
  return static_cast<std::uint16_t>(std::lround(share_unit * std::clamp(share, 0.0, 1.0)));
}

// 0 is for never any.
std::uint16_t packed_values(double share) {
  return std::max<std::uint16_t>(packed(share), 1);
}

std::vector<double> group_counts(const FrozenSubject& subject) {
  std::vector<double> groups(rhythm_groups(subject.bins));
  for (std::size_t b = 0; b < subject.bins.value_bins(); ++b) {
    groups[rhythm_group(subject.bins, b)] += static_cast<double>(subject.counts.counts[b]);
  }
  return groups;
}

std::int64_t hours_since_1970(Time at) {
  const auto hour = Duration(std::chrono::hours(1)).count();
  return std::max<std::int64_t>(at.time_since_epoch().count(), 0) / hour;
}

}  // namespace

std::size_t hour_of_week(Time at) {
  constexpr std::int64_t thursday = 3 * 24;  // 1970 began with one.
  return static_cast<std::size_t>((hours_since_1970(at) + thursday) %
                                  static_cast<std::int64_t>(week_hours));
}

std::size_t rhythm_groups(const Binning& bins) {
  return std::min(bins.value_bins(), rhythm_groups_max);
}

std::size_t rhythm_group(const Binning& bins, std::size_t value_bin) {
  const std::size_t groups = rhythm_groups(bins);
  if (bins.kind() == FeatureKind::categorical) return std::min(value_bin, groups - 1);
  return value_bin * groups / bins.value_bins();
}

// The factorised covariance of the cells, and what centres the prior.
struct Rhythm::Factor {
  Vector hours;            // The reference's: weights that sum to 1.
  Vector prior_mean;       // K hours
  double prior_level = 0;  // hours' K hours
  std::array<bool, week_hours> seen{};
  Vector cell_variance;  // Of sampling and irregularity.
  Eigen::LLT<Matrix> cells;
  bool learned = false;

  Factor(const std::array<double, week_hours>& of_reference,
         const std::array<double, week_hours>& rows, const std::array<double, week_hours>& weeks);
  // The covariance of the rhythm, its mean over the reference's hours being 0, with a combination
  // that sums to 1.
  Vector centred_times(const Vector& v) const {
    Vector product = prior_times(v) - prior_mean;
    product.array() -= hours.dot(product);
    return product;
  }
};

Rhythm::Factor::Factor(const std::array<double, week_hours>& of_reference,
                       const std::array<double, week_hours>& rows,
                       const std::array<double, week_hours>& weeks)
    : hours(Eigen::Map<const Vector>(of_reference.data(), size)), cell_variance(size) {
  hours /= hours.sum();
  prior_mean = prior_times(hours);
  prior_level = hours.dot(prior_mean);
  Vector wander(size);
  for (Eigen::Index i = 0; i < size; ++i) {
    const auto h = static_cast<std::size_t>(i);
    seen[h] = rows[h] > 0;
    learned = learned || seen[h];
    cell_variance[i] = variance_of_cell(rows[h], weeks[h]);
    wander[i] = of_wander.deviation / std::pow(std::max(weeks[h], 1.0), wander_power);
  }
  if (!learned) return;
  Matrix covariances(size, size);
  for (Eigen::Index j = 0; j < size; ++j) {
    for (Eigen::Index i = 0; i < size; ++i) {
      const auto apart = static_cast<std::size_t>(i > j ? i - j : j - i);
      const double rhythm = covariance(i, j) - prior_mean[i] - prior_mean[j] + prior_level;
      const double shared = std::exp(-circular(apart, week_hours) / of_wander.hours);
      covariances(i, j) =
          rhythm + level_deviation * level_deviation + wander[i] * wander[j] * shared;
    }
    covariances(j, j) += cell_variance[j];
  }
  cells.compute(covariances);
}

Rhythm::Rhythm(Subjects subjects, const TimedCounts* timed) : subjects_(std::move(subjects)) {
  offsets_.push_back(0);
  for (const FrozenSubject* subject : subjects_) {
    offsets_.push_back(offsets_.back() + week_hours * (rhythm_groups(subject->bins) + 1));
  }
  shares_.resize(offsets_.back());
  if (timed) take(*timed);
  prepare();
}

void Rhythm::take(const TimedCounts& timed) {
  assert(timed.counts.size() == subjects_.size());
  timed_ = std::any_of(timed.rows.begin(), timed.rows.end(), [](auto rows) { return rows > 0; });
  for (std::size_t hour = 0; hour < week_hours; ++hour) {
    const double rows = reference_hours_[hour] = static_cast<double>(timed.rows[hour]);
    const auto weeks = static_cast<double>(std::max<std::uint64_t>(timed.weeks[hour], 1));
    rows_[hour] = std::min(rows, rows_max);
    weeks_[hour] = std::min(weeks * part_of_week(rows / weeks), weeks_kept);
  }
  for (std::size_t s = 0; s < subjects_.size(); ++s) {
    const std::size_t groups = rhythm_groups(subjects_[s]->bins);
    for (std::size_t hour = 0; hour < week_hours; ++hour) {
      const auto counts = std::span(timed.counts[s]).subspan(hour * groups, groups);
      const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
      if (total <= 0) continue;
      for (std::size_t g = 0; g < groups; ++g) cell(s, hour)[g] = packed(counts[g] / total);
      cell(s, hour).back() = packed_values(total / rows_[hour]);
    }
  }
}

std::span<std::uint16_t> Rhythm::cell(std::size_t subject, std::size_t hour) {
  const std::size_t groups = (offsets_[subject + 1] - offsets_[subject]) / week_hours;
  return std::span(shares_).subspan(offsets_[subject] + hour * groups, groups);
}

std::span<const std::uint16_t> Rhythm::cell(std::size_t subject, std::size_t hour) const {
  const std::size_t groups = (offsets_[subject + 1] - offsets_[subject]) / week_hours;
  return std::span(shares_).subspan(offsets_[subject] + hour * groups, groups);
}

bool Rhythm::seen(std::size_t subject, std::size_t hour) const {
  return cell(subject, hour).back() > 0;
}

void Rhythm::learn(Time hour_began, const Frame& frame, const FrameLayout& layout) {
  if (frame.rows == 0) return;
  const std::int64_t number = hours_since_1970(hour_began);
  const std::size_t hour = hour_of_week(hour_began);
  const auto rows = static_cast<double>(frame.rows);
  const double week = part_of_week(rows);
  const double gain = week / (std::min(weeks_[hour], weeks_kept - 1) + week);
  for (std::size_t s = 0; s < subjects_.size(); ++s) learn_cell(s, hour, frame, layout, gain);
  // The rows that would say as much as the weighted weeks do.
  const double before = rows_[hour] > 0 ? (1 - gain) * (1 - gain) / rows_[hour] : 0;
  rows_[hour] = std::min(1 / (before + gain * gain / rows), rows_max);
  weeks_[hour] = std::min(weeks_[hour], weeks_kept - 1) + week;
  if (first_hour_ < 0) first_hour_ = number;
  last_hour_ = std::max(last_hour_, number);
  stale_ = true;
}

void Rhythm::learn_cell(std::size_t subject, std::size_t hour, const Frame& frame,
                        const FrameLayout& layout, double gain) {
  const Binning& bins = subjects_[subject]->bins;
  std::array<double, rhythm_groups_max> groups{};
  double total = 0;
  for (std::size_t b = 0; b < bins.value_bins(); ++b) {
    const double count = frame.counts[layout.offset(subject) + b];
    groups[rhythm_group(bins, b)] += count;
    total += count;
  }
  const auto shares = cell(subject, hour);
  const bool first = !seen(subject, hour);
  if (first && total == 0) return;
  const auto rows = static_cast<double>(frame.rows);
  const double values = first ? 1 : gain;
  const double before = shares.back() / share_unit;
  shares.back() = packed_values(before + values * (total / rows - before));
  if (total == 0) return;
  // A week in which few of the rows have a value tells less.
  const double step = first ? 1 : gain * part_of_week(total) / part_of_week(rows);
  for (std::size_t g = 0; g + 1 < shares.size(); ++g) {
    const double was = shares[g] / share_unit;
    shares[g] = packed(was + step * (groups[g] / total - was));
  }
}

// How rows are spread over the hours of the week, as far as they have come. An hour that has not
// come yet is taken for the mean of that hour on other days; after a week without any, for empty.
std::array<double, week_hours> Rhythm::traffic() const {
  const bool whole_week = last_hour_ - first_hour_ >= static_cast<std::int64_t>(week_hours);
  std::array<double, week_hours> a_week{};
  std::array<double, 24> day{}, days{};
  double all = 0, hours = 0;
  for (std::size_t h = 0; h < week_hours; ++h) {
    if (weeks_[h] == 0) continue;
    a_week[h] = rows_of_week(rows_[h], weeks_[h]);
    day[h % 24] += a_week[h];
    days[h % 24] += 1;
    all += a_week[h];
    hours += 1;
  }
  for (std::size_t h = 0; h < week_hours; ++h) {
    if (hours == 0) a_week[h] = 1;
    if (weeks_[h] > 0 || whole_week || hours == 0) continue;
    a_week[h] = days[h % 24] > 0 ? day[h % 24] / days[h % 24] : all / hours;
  }
  return a_week;
}

void Rhythm::prepare() {
  if (!stale_) return;
  // The reference's rows came as it says itself, else as the live ones do.
  factor_ = std::make_shared<const Factor>(timed_ ? reference_hours_ : traffic(), rows_, weeks_);
  stale_ = false;
}

Expectation Rhythm::expect(std::span<const Part> parts, int shift) const {
  Vector hours = Vector::Zero(size), moved = Vector::Zero(size);
  double rows = 0;
  for (const Part& part : parts) rows += part.rows;
  Expectation expectation;
  if (rows <= 0) return expectation;
  for (const Part& part : parts) {
    // Between the middles of two hours by a straight line.
    const double at = to_seconds(part.at.time_since_epoch()) / 3600 - 0.5;
    const double below = std::floor(std::clamp(at, 0.0, hours_max));
    const double share = std::clamp(at - below, 0.0, 1.0) * part.rows / rows;
    const auto add = [&](Vector& to, double hour, double weight) {
      const auto whole = static_cast<std::int64_t>(hour) + 3 * 24;
      to[static_cast<Eigen::Index>(whole % static_cast<std::int64_t>(week_hours))] += weight;
    };
    const double week = static_cast<double>(week_hours);
    add(hours, below, part.rows / rows - share);
    add(hours, below + 1, share);
    add(moved, below + week + shift, part.rows / rows - share);
    add(moved, below + week + shift + 1, share);
  }
  const Vector with_cells = factor_->centred_times(hours);
  const double prior = hours.dot(with_cells);
  expectation.unknown = std::max(prior, 0.0);
  if (!factor_->learned) return expectation;
  expectation.learned = true;
  const Vector weights = factor_->cells.solve(with_cells);
  for (Eigen::Index i = 0; i < size; ++i) {
    if (factor_->seen[static_cast<std::size_t>(i)]) {
      expectation.noise += weights[i] * weights[i] * factor_->cell_variance[i];
    }
  }
  expectation.unknown = std::max(prior - weights.dot(with_cells) - expectation.noise, 0.0);
  const Vector used =
      shift == 0 ? weights : Vector(factor_->cells.solve(factor_->centred_times(moved)));
  std::copy(used.data(), used.data() + size, expectation.weights.begin());
  return expectation;
}

double Rhythm::noise(std::size_t subject, const Expectation& expectation) const {
  if (!expectation.learned) return 0;
  double noise = 0;
  for (std::size_t h = 0; h < week_hours; ++h) {
    if (!factor_->seen[h] || !seen(subject, h)) continue;
    const double values = rows_[h] * cell(subject, h).back() / share_unit;
    noise += expectation.weights[h] * expectation.weights[h] * variance_of_cell(values, weeks_[h]);
  }
  return noise;
}

BinCounts Rhythm::expected(std::size_t subject, const Expectation& expectation) const {
  const FrozenSubject& frozen = *subjects_[subject];
  if (!expectation.learned) return frozen.counts;
  const std::vector<double> reference = group_counts(frozen);
  const double m = std::accumulate(reference.begin(), reference.end(), 0.0);
  if (m <= 0) return frozen.counts;
  const std::size_t groups = reference.size();

  // An hour that others have and this subject has not counts as the subject's mean.
  std::vector<double> mean(groups), moved(groups);
  double hours = 0, absent = 0;
  for (std::size_t h = 0; h < week_hours; ++h) {
    if (!factor_->seen[h]) continue;
    const double weight = expectation.weights[h];
    if (!seen(subject, h)) {
      absent += weight;
      continue;
    }
    const auto shares = cell(subject, h);
    for (std::size_t g = 0; g < groups; ++g) {
      const double deviation = shares[g] / share_unit - reference[g] / m;
      moved[g] += weight * deviation;
      mean[g] += deviation;
    }
    hours += 1;
  }
  if (hours == 0) return frozen.counts;

  const double rows = 1 / (1 / m + noise(subject, expectation));
  BinCounts counts = frozen.counts;
  double total = 0;
  std::vector<double> shares(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    // A hundredth of the reference's share stays: what was never quite absent cannot be impossible.
    const double share = reference[g] / m;
    shares[g] = std::clamp(share + moved[g] + absent * mean[g] / hours, share / 100, 1.0);
    total += shares[g];
  }
  const std::size_t bins = frozen.bins.value_bins();
  std::vector<double> bins_of(groups);
  for (std::size_t b = 0; b < bins; ++b) bins_of[rhythm_group(frozen.bins, b)] += 1;
  double first = 1, last = 1;
  for (std::size_t b = 0; b < bins; ++b) {
    const std::size_t g = rhythm_group(frozen.bins, b);
    const double count = static_cast<double>(frozen.counts.counts[b]);
    // A group that the reference never saw is spread evenly.
    const double within = reference[g] > 0 ? count / reference[g] : 1 / bins_of[g];
    const double expected = shares[g] / total * within * rows;
    counts.counts[b] = static_cast<std::uint64_t>(std::llround(expected));
    const double factor = count > 0 ? expected / count : rows / m;
    if (b == 0) first = factor;
    if (b + 1 == bins) last = factor;
  }
  // What lies beyond the outer edges goes with the outer bins.
  counts.tails.below *= first;
  counts.tails.above *= last;
  counts.tails.sum *= rows / m;
  counts.tails.sum_squares *= rows / m;
  return counts;
}

std::size_t Rhythm::hours_known() const {
  return static_cast<std::size_t>(std::count_if(
      weeks_.begin(), weeks_.end(), [](double weeks) { return weeks >= weeks_needed; }));
}

double Rhythm::share_known() const {
  // A reference may be of an hour: what is asked for is what comes.
  const bool live = first_hour_ >= 0;
  const auto hours = timed_ && !live ? reference_hours_ : traffic();
  double all = 0, known = 0;
  for (std::size_t h = 0; h < week_hours; ++h) {
    all += hours[h];
    known += weeks_[h] >= weeks_needed ? hours[h] : 0;
  }
  return all > 0 ? known / all : 0;
}

std::size_t Rhythm::memory_bytes() const {
  return sizeof(*this) + sizeof(Factor) + sizeof(double) * week_hours * (week_hours + 3) +
         subjects_.capacity() * sizeof(subjects_[0]) + offsets_.capacity() * sizeof(offsets_[0]) +
         shares_.capacity() * sizeof(shares_[0]);
}

void Rhythm::write(SnapshotWriter& out) const {
  for (std::size_t h = 0; h < week_hours; ++h) {
    out.f64(rows_[h]);
    out.f64(weeks_[h]);
  }
  out.i64(first_hour_);
  out.i64(last_hour_);
  std::string bytes;
  bytes.reserve(2 * shares_.size());
  for (const std::uint16_t share : shares_) {
    bytes += static_cast<char>(share & 0xFF);
    bytes += static_cast<char>(share >> 8);
  }
  out.text(bytes);
}

bool Rhythm::read(SnapshotReader& in) {
  std::array<double, week_hours> rows{}, weeks{};
  bool sound = true;
  for (std::size_t h = 0; h < week_hours; ++h) {
    rows[h] = in.f64();
    weeks[h] = in.f64();
    const bool none = rows[h] == 0 && weeks[h] == 0;
    const bool some = rows[h] >= rows_min && rows[h] <= rows_max && weeks[h] >= weeks_min &&
                      weeks[h] <= weeks_kept + 1;
    sound = sound && (none || some);
  }
  const std::int64_t first_hour = in.i64(), last_hour = in.i64();
  sound = sound && first_hour >= -1 && last_hour >= first_hour &&
          static_cast<double>(last_hour) <= hours_max;
  const std::string_view bytes = in.text();
  if (!sound || bytes.size() != 2 * shares_.size()) return false;
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    const auto low = static_cast<unsigned char>(bytes[2 * i]);
    const auto high = static_cast<unsigned char>(bytes[2 * i + 1]);
    shares_[i] = static_cast<std::uint16_t>(low | high << 8);
  }
  rows_ = rows;
  weeks_ = weeks;
  first_hour_ = first_hour;
  last_hour_ = last_hour;
  stale_ = true;
  prepare();
  return true;
}

}  // namespace outrider::detectors
