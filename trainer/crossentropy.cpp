// Softmax cross entropy of bf16 logits and its gradient, in place, for CPUs with AVX512-BF16.
//
// A row of a small vocabulary fits the first-level cache, so its three passes (highest,
// sum, gradient) read memory once. Rows share nothing; their losses are added by the caller,
// so the result does not depend on the number of threads.
#include <immintrin.h>
#include <omp.h>

#include <cmath>
#include <cstdint>

namespace {

inline __m512 exp2_ps(__m512 x) {  // relative error below 2^-16
  x = _mm512_max_ps(x, _mm512_set1_ps(-150.0f));
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_sub_ps(x, whole);
  __m512 p = _mm512_set1_ps(1.3398874e-3f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.6184373e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5503324e-2f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4022648e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9314720e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, whole);
}

inline __m512 load(const uint16_t* x) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)x));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

inline void store(uint16_t* x, __m512 value) {
  _mm256_storeu_si256((__m256i*)x, (__m256i)_mm512_cvtneps_pbh(value));
}

inline float widen(uint16_t x) {
  union { uint32_t bits; float value; } out{(uint32_t)x << 16};
  return out.value;
}

constexpr float kLog2e = 1.44269504f;

float row_loss(uint16_t* row, int64_t vocab, int64_t label) {
  __m512 high = load(row);
  for (int64_t j = 16; j < vocab; j += 16) high = _mm512_max_ps(high, load(row + j));
  const float top = _mm512_reduce_max_ps(high);
  const __m512 factor = _mm512_set1_ps(kLog2e), shift = _mm512_set1_ps(top * kLog2e);
  __m512 total = _mm512_setzero_ps();
  for (int64_t j = 0; j < vocab; j += 16)
    total = _mm512_add_ps(total, exp2_ps(_mm512_fmsub_ps(load(row + j), factor, shift)));
  const float sum = _mm512_reduce_add_ps(total), picked = widen(row[label]);
  const float log_sum = top + std::log(sum);
  const __m512 inverse = _mm512_set1_ps(1.0f / sum);
  for (int64_t j = 0; j < vocab; j += 16)
    store(row + j, _mm512_mul_ps(exp2_ps(_mm512_fmsub_ps(load(row + j), factor, shift)), inverse));
  const float wrong = std::exp(picked - log_sum) - 1.0f;
  const __m256i bits = (__m256i)_mm512_cvtneps_pbh(_mm512_set1_ps(wrong));
  row[label] = (uint16_t)_mm256_extract_epi16(bits, 0);
  return log_sum - picked;
}

}  // namespace

// logits: (rows, vocab), vocab a multiple of 16, replaced by their gradient; losses: (rows,).
extern "C" void softmax_gradient(uint16_t* logits, const int64_t* labels, float* losses, int64_t rows,
                                 int64_t vocab, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < rows; ++i) losses[i] = row_loss(logits + i * vocab, vocab, labels[i]);
}
