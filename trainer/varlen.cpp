// Causal attention inside each document of a packed row, bf16, for CPUs with AVX512-BF16; where there
// is AMX too, products run in its tiles.
//
// One task is one document and one key-value head; tasks share nothing, so results do not
// depend on the number of threads. Forward keeps log2-sum-exp per row; backward recomputes
// the probabilities (flash attention, https://arxiv.org/abs/2205.14135) in the transposed
// orientation, where rows are keys: the softmax then needs no reduction, and P^T and dS^T
// come out as the products want them. Only blocks on and under the diagonal are computed.
//
// Operands of a product are 32-bit words of two bf16, paired along the contraction:
//   A: word (row, pair) at a[row * ar + pair];  B: word (pair, column) at b[pair * bk + column].
#include <immintrin.h>
#include <omp.h>
#ifdef __AMX_BF16__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Half = uint16_t;  // bf16 bits
using Word = uint32_t;  // two bf16, the even one low

constexpr int64_t kBlock = 32;  // rows of a block, and what lengths are padded to

struct Matrix {  // (rows, heads, dim): dim is contiguous
  Half* data;
  int64_t row, head;
  Half* at(int64_t r, int64_t h) const { return data + r * row + h * head; }
};

template <int MR, int NV, bool kAdd>
inline void tile(const Word* a, int64_t ar, const Word* b, int64_t bk, int64_t pairs, float* c, int64_t cr) {
  __m512 acc[MR][NV];
  for (int m = 0; m < MR; ++m)
    for (int n = 0; n < NV; ++n)
      acc[m][n] = kAdd ? _mm512_loadu_ps(c + m * cr + 16 * n) : _mm512_setzero_ps();
  for (int64_t k = 0; k < pairs; ++k) {
    __m512bh right[NV];
    for (int n = 0; n < NV; ++n) right[n] = (__m512bh)_mm512_loadu_si512(b + k * bk + 16 * n);
    for (int m = 0; m < MR; ++m) {
      const __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[m * ar + k]);
      for (int n = 0; n < NV; ++n) acc[m][n] = _mm512_dpbf16_ps(acc[m][n], left, right[n]);
    }
  }
  for (int m = 0; m < MR; ++m)
    for (int n = 0; n < NV; ++n) _mm512_storeu_ps(c + m * cr + 16 * n, acc[m][n]);
}

#ifdef __AMX_BF16__
// Linux hands out the tiles' state on request, once a process; threads started later have it too.
bool has_tiles() {
  static const bool granted = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
  return granted;
}

// While it lives, the thread's eight tiles are 16 rows of 64 bytes. Others use tiles too, so it is set up anew.
struct Tiles {
  explicit Tiles(bool wanted) : on(wanted && has_tiles()) {
    if (!on) return;
    alignas(64) uint8_t config[64] = {1};
    for (int i = 0; i < 8; ++i) config[16 + 2 * i] = 64, config[48 + i] = 16;
    _tile_loadconfig(config);
  }
  ~Tiles() {
    if (on) _tile_release();
  }
  const bool on;
};

// 32 x 32 of c: tiles 0 to 3 hold it, 4 and 5 rows of a, 6 and 7 columns of b.
template <bool kAdd>
inline void tiles_32(int64_t pairs, const Word* a, int64_t ar, const Word* b, int64_t bk, float* c, int64_t cr) {
  __asm__ volatile("" ::: "memory");  // what was stored before must be in memory: loads of tiles do not say so
  if (kAdd) {
    _tile_loadd(0, c, cr * 4);
    _tile_loadd(1, c + 16, cr * 4);
    _tile_loadd(2, c + 16 * cr, cr * 4);
    _tile_loadd(3, c + 16 * cr + 16, cr * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < pairs; k += 16) {
    _tile_loadd(4, a + k, ar * 4);
    _tile_loadd(5, a + 16 * ar + k, ar * 4);
    _tile_loadd(6, b + k * bk, bk * 4);
    _tile_loadd(7, b + k * bk + 16, bk * 4);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, cr * 4);
  _tile_stored(1, c + 16, cr * 4);
  _tile_stored(2, c + 16 * cr, cr * 4);
  _tile_stored(3, c + 16 * cr + 16, cr * 4);
}
#else
struct Tiles {
  explicit Tiles(bool) {}
  static constexpr bool on = false;
};
#endif

// c (rows x columns) = or += a b; rows a multiple of 4, columns of 16; with tiles both of 32, pairs of 16.
template <bool kAdd>
void multiply(const Tiles& tiles, int64_t rows, int64_t columns, int64_t pairs, const Word* a, int64_t ar,
              const Word* b, int64_t bk, float* c, int64_t cr) {
#ifdef __AMX_BF16__
  if (tiles.on) {
    for (int64_t m = 0; m < rows; m += 32)
      for (int64_t n = 0; n < columns; n += 32)
        tiles_32<kAdd>(pairs, a + m * ar, ar, b + n, bk, c + m * cr + n, cr);
    return;
  }
#endif
  int64_t n = 0;
  for (; n + 64 <= columns; n += 64)
    for (int64_t m = 0; m < rows; m += 4)
      tile<4, 4, kAdd>(a + m * ar, ar, b + n, bk, pairs, c + m * cr + n, cr);
  for (; n + 32 <= columns; n += 32)
    for (int64_t m = 0; m < rows; m += 4)
      tile<4, 2, kAdd>(a + m * ar, ar, b + n, bk, pairs, c + m * cr + n, cr);
  for (; n < columns; n += 16)
    for (int64_t m = 0; m < rows; m += 4)
      tile<4, 1, kAdd>(a + m * ar, ar, b + n, bk, pairs, c + m * cr + n, cr);
}

// 2^x for x <= 0 or so; what underflows becomes 0. Relative error below 2^-16.
inline __m512 exp2_ps(__m512 x) {
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

inline __m256i to_half(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }

inline __m512 to_float(const Half* x) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)x));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

inline __m512i interleave(__m256i even, __m256i odd) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

// Rows of one head, copied end to end and padded with zeros: (padded, dim).
void copy_rows(const Matrix& x, int64_t first, int64_t head, int64_t n, int64_t padded, int64_t dim,
               Half* out) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(out + i * dim, x.at(first + i, head), dim * 2);
  std::memset(out + n * dim, 0, (padded - n) * dim * 2);
}

// (padded, dim) -> words paired along dim, (dim / 2, padded): the right side of x y^T.
void pack_transposed(const Half* x, int64_t padded, int64_t dim, Word* out) {
  const Word* words = (const Word*)x;
  const int64_t pairs = dim / 2;
  for (int64_t i0 = 0; i0 < padded; i0 += 16)
    for (int64_t k = 0; k < pairs; ++k)
      for (int64_t i = i0; i < i0 + 16; ++i) out[k * padded + i] = words[i * pairs + k];
}

// (padded, dim) -> words paired along rows, (padded / 2, dim): the right side of p x.
void pack_rows(const Half* x, int64_t padded, int64_t dim, Word* out) {
  for (int64_t i = 0; i < padded; i += 2)
    for (int64_t d = 0; d < dim; d += 16) {
      const __m256i even = _mm256_loadu_si256((const __m256i*)(x + i * dim + d));
      const __m256i odd = _mm256_loadu_si256((const __m256i*)(x + (i + 1) * dim + d));
      _mm512_storeu_si512(out + i / 2 * dim + d, interleave(even, odd));
    }
}

// (padded, dim) -> (dim, padded): words paired along rows, the left side of x^T y.
void transpose(const Half* x, int64_t padded, int64_t dim, Half* out) {
  for (int64_t i = 0; i < padded; ++i)
    for (int64_t d = 0; d < dim; ++d) out[d * padded + i] = x[i * dim + d];
}

struct Scratch {  // one thread's buffers, grown when a longer document comes
  std::vector<Half> q, k, v, o, p, ds, kc;
  std::vector<Word> qt, dot, qp, dop, kt, vp, z;
  std::vector<float> s, dp, dq, dk, dv, lse, delta;
  void grow(int64_t padded, int64_t dim) {
    if ((int64_t)s.size() >= kBlock * padded && (int64_t)dq.size() >= padded * dim) return;
    for (auto* x : {&q, &k, &v, &o, &kc}) x->resize(padded * dim);
    for (auto* x : {&p, &ds}) x->resize(kBlock * padded);
    for (auto* x : {&qt, &dot, &qp, &dop, &kt, &vp}) x->resize(padded * dim / 2);
    z.resize(kBlock / 2 * padded);
    for (auto* x : {&s, &dp}) x->resize(kBlock * padded);
    for (auto* x : {&dq, &dk, &dv}) x->resize(padded * dim);
    for (auto* x : {&lse, &delta}) x->resize(padded);
  }
};

int64_t pad(int64_t n) { return (n + kBlock - 1) / kBlock * kBlock; }

// Rows of scores to unnormalised probabilities; row r sees keys 0..i0 + r. Returns the sums.
void softmax_rows(const float* s, int64_t columns, int64_t i0, int64_t n, float scale, Half* p,
                  float* inverse, float* lse) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int64_t r = 0; r < kBlock; ++r) {
    const float* row = s + r * columns;
    const __m512i last = _mm512_set1_epi32((int)(i0 + r));
    __m512 high = _mm512_set1_ps(-1e30f);
    for (int64_t j = 0; j < columns; j += 16) {
      const __mmask16 seen = _mm512_cmple_epi32_mask(_mm512_add_epi32(lanes, _mm512_set1_epi32((int)j)), last);
      high = _mm512_mask_max_ps(high, seen, high, _mm512_loadu_ps(row + j));
    }
    const float top = _mm512_reduce_max_ps(high) * scale;
    __m512 total = _mm512_setzero_ps();
    for (int64_t j = 0; j < columns; j += 16) {
      const __mmask16 seen = _mm512_cmple_epi32_mask(_mm512_add_epi32(lanes, _mm512_set1_epi32((int)j)), last);
      const __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(row + j), _mm512_set1_ps(scale), _mm512_set1_ps(top));
      const __m512 e = _mm512_maskz_mov_ps(seen, exp2_ps(x));
      total = _mm512_add_ps(total, e);
      _mm256_storeu_si256((__m256i*)(p + r * columns + j), to_half(e));
    }
    const float sum = _mm512_reduce_add_ps(total);
    inverse[r] = 1.0f / sum;
    if (i0 + r < n) lse[r] = top + std::log2(sum);
  }
}

struct Job {
  Matrix q, k, v, out, d_out, dq, dk, dv;
  float* lse;  // (rows, heads), base 2
  int64_t heads, kv_heads, dim;
  float scale;
};

void forward_task(const Job& job, int64_t first, int64_t n, int64_t kv, Scratch& t) {
  const int64_t dim = job.dim, padded = pad(n), groups = job.heads / job.kv_heads;
  t.grow(padded, dim);
  copy_rows(job.k, first, kv, n, padded, dim, t.k.data());
  copy_rows(job.v, first, kv, n, padded, dim, t.v.data());
  pack_transposed(t.k.data(), padded, dim, t.kt.data());
  pack_rows(t.v.data(), padded, dim, t.vp.data());
  const float scale = job.scale * 1.44269504f;
  const Tiles tiles(dim % 32 == 0);
  for (int64_t h = kv * groups; h < (kv + 1) * groups; ++h) {
    copy_rows(job.q, first, h, n, padded, dim, t.q.data());
    for (int64_t i0 = 0; i0 < padded; i0 += kBlock) {
      const int64_t columns = i0 + kBlock;
      float inverse[kBlock], lse[kBlock];
      multiply<false>(tiles, kBlock, columns, dim / 2, (const Word*)(t.q.data() + i0 * dim), dim / 2,
                      t.kt.data(), padded, t.s.data(), columns);
      softmax_rows(t.s.data(), columns, i0, n, scale, t.p.data(), inverse, lse);
      multiply<false>(tiles, kBlock, dim, columns / 2, (const Word*)t.p.data(), columns / 2, t.vp.data(), dim,
                      t.dq.data(), dim);
      for (int64_t r = 0; r < kBlock && i0 + r < n; ++r) {
        const __m512 factor = _mm512_set1_ps(inverse[r]);
        Half* out = job.out.at(first + i0 + r, h);
        for (int64_t d = 0; d < dim; d += 16)
          _mm256_storeu_si256((__m256i*)(out + d),
                              to_half(_mm512_mul_ps(_mm512_loadu_ps(t.dq.data() + r * dim + d), factor)));
        job.lse[(first + i0 + r) * job.heads + h] = lse[r];
      }
    }
  }
}

// Scores and their gradients, keys as rows, to bf16: P^T and dS^T by row, and dS^T by row pair.
void gradient_rows(const Job& job, Scratch& t, int64_t j0, int64_t columns) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 log_scale = _mm512_set1_ps(job.scale * 1.44269504f), scale = _mm512_set1_ps(job.scale);
  for (int64_t r = 0; r < kBlock; r += 2)
    for (int64_t c = 0; c < columns; c += 16) {
      const __m512 lse = _mm512_loadu_ps(t.lse.data() + j0 + c);
      const __m512 delta = _mm512_loadu_ps(t.delta.data() + j0 + c);
      __m256i half[2];
      for (int64_t odd = 0; odd < 2; ++odd) {
        const int64_t at = (r + odd) * columns + c;
        __m512 p = exp2_ps(_mm512_fmsub_ps(_mm512_loadu_ps(t.s.data() + at), log_scale, lse));
        if (c < kBlock) {
          const __m512i query = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)c));
          p = _mm512_maskz_mov_ps(_mm512_cmpge_epi32_mask(query, _mm512_set1_epi32((int)(r + odd))), p);
        }
        const __m512 change = _mm512_sub_ps(_mm512_loadu_ps(t.dp.data() + at), delta);
        half[odd] = to_half(_mm512_mul_ps(_mm512_mul_ps(p, change), scale));
        _mm256_storeu_si256((__m256i*)(t.p.data() + at), to_half(p));
        _mm256_storeu_si256((__m256i*)(t.ds.data() + at), half[odd]);
      }
      _mm512_storeu_si512(t.z.data() + r / 2 * columns + c, interleave(half[0], half[1]));
    }
}

void store_rows(const float* x, const Matrix& out, int64_t first, int64_t head, int64_t n, int64_t dim) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t d = 0; d < dim; d += 16)
      _mm256_storeu_si256((__m256i*)(out.at(first + i, head) + d), to_half(_mm512_loadu_ps(x + i * dim + d)));
}

// As `store_rows`, of x transposed: (dim, padded).
void store_columns(const float* x, const Matrix& out, int64_t first, int64_t head, int64_t n, int64_t padded,
                   int64_t dim) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i steps = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)padded));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t d = 0; d < dim; d += 16)
      _mm256_storeu_si256((__m256i*)(out.at(first + i, head) + d),
                          to_half(_mm512_i32gather_ps(steps, x + d * padded + i, 4)));
}

// Per row: log-sum-exp (so large in padding that P is 0) and sum of out * d_out.
void load_row_sums(const Job& job, int64_t first, int64_t h, int64_t n, int64_t padded, Scratch& t) {
  for (int64_t i = 0; i < n; ++i) {
    const Half *out = job.out.at(first + i, h), *d_out = job.d_out.at(first + i, h);
    __m512 total = _mm512_setzero_ps();
    for (int64_t d = 0; d < job.dim; d += 16)
      total = _mm512_fmadd_ps(to_float(out + d), to_float(d_out + d), total);
    t.delta[i] = _mm512_reduce_add_ps(total);
    t.lse[i] = job.lse[(first + i) * job.heads + h];
  }
  for (int64_t i = n; i < padded; ++i) t.delta[i] = 0.0f, t.lse[i] = 1e30f;
}

void backward_task(const Job& job, int64_t first, int64_t n, int64_t kv, Scratch& t) {
  const int64_t dim = job.dim, padded = pad(n), groups = job.heads / job.kv_heads;
  t.grow(padded, dim);
  copy_rows(job.k, first, kv, n, padded, dim, t.k.data());
  copy_rows(job.v, first, kv, n, padded, dim, t.v.data());
  transpose(t.k.data(), padded, dim, t.kc.data());
  const Tiles tiles(dim % 32 == 0);
  std::memset(t.dk.data(), 0, padded * dim * 4);
  std::memset(t.dv.data(), 0, padded * dim * 4);
  for (int64_t h = kv * groups; h < (kv + 1) * groups; ++h) {
    copy_rows(job.q, first, h, n, padded, dim, t.q.data());
    copy_rows(job.d_out, first, h, n, padded, dim, t.o.data());
    pack_transposed(t.q.data(), padded, dim, t.qt.data());
    pack_transposed(t.o.data(), padded, dim, t.dot.data());
    pack_rows(t.q.data(), padded, dim, t.qp.data());
    pack_rows(t.o.data(), padded, dim, t.dop.data());
    load_row_sums(job, first, h, n, padded, t);
    std::memset(t.dq.data(), 0, padded * dim * 4);
    for (int64_t j0 = 0; j0 < padded; j0 += kBlock) {
      const int64_t columns = padded - j0;  // queries from j0 on
      multiply<false>(tiles, kBlock, columns, dim / 2, (const Word*)(t.k.data() + j0 * dim), dim / 2,
                      t.qt.data() + j0, padded, t.s.data(), columns);
      multiply<false>(tiles, kBlock, columns, dim / 2, (const Word*)(t.v.data() + j0 * dim), dim / 2,
                      t.dot.data() + j0, padded, t.dp.data(), columns);
      gradient_rows(job, t, j0, columns);
      multiply<true>(tiles, kBlock, dim, columns / 2, (const Word*)t.p.data(), columns / 2,
                     t.dop.data() + j0 / 2 * dim, dim, t.dv.data() + j0 * dim, dim);
      multiply<true>(tiles, kBlock, dim, columns / 2, (const Word*)t.ds.data(), columns / 2,
                     t.qp.data() + j0 / 2 * dim, dim, t.dk.data() + j0 * dim, dim);
      multiply<true>(tiles, dim, columns, kBlock / 2, (const Word*)(t.kc.data() + j0), padded / 2, t.z.data(),
                     columns, t.dq.data() + j0, padded);
    }
    store_columns(t.dq.data(), job.dq, first, h, n, padded, dim);
  }
  store_rows(t.dk.data(), job.dk, first, kv, n, dim);
  store_rows(t.dv.data(), job.dv, first, kv, n, dim);
}

template <typename Task>
void each_task(const Job& job, const int64_t* bounds, int64_t documents, int threads, Task task) {
  const int64_t tasks = documents * job.kv_heads;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t i = 0; i < tasks; ++i) {
    static thread_local Scratch scratch;
    const int64_t d = i / job.kv_heads, n = bounds[d + 1] - bounds[d];
    if (n > 0) task(job, bounds[d], n, i % job.kv_heads, scratch);
  }
}

}  // namespace

extern "C" {

// strides: row and head strides, in elements, of each tensor in the order given.
void varlen_forward(Half* q, Half* k, Half* v, Half* out, float* lse, const int64_t* strides,
                    const int64_t* bounds, int64_t documents, int64_t heads, int64_t kv_heads,
                    int64_t dim, float scale, int threads) {
  const int64_t* s = strides;
  const Job job{{q, s[0], s[1]}, {k, s[2], s[3]}, {v, s[4], s[5]}, {out, s[6], s[7]}, {}, {}, {}, {},
                lse, heads, kv_heads, dim, scale};
  each_task(job, bounds, documents, threads, forward_task);
}

void varlen_backward(Half* q, Half* k, Half* v, Half* out, Half* d_out, Half* dq, Half* dk, Half* dv,
                     float* lse, const int64_t* strides, const int64_t* bounds, int64_t documents,
                     int64_t heads, int64_t kv_heads, int64_t dim, float scale, int threads) {
  const int64_t* s = strides;
  const Job job{{q, s[0], s[1]}, {k, s[2], s[3]}, {v, s[4], s[5]}, {out, s[6], s[7]},
                {d_out, s[8], s[9]}, {dq, s[10], s[11]}, {dk, s[12], s[13]}, {dv, s[14], s[15]},
                lse, heads, kv_heads, dim, scale};
  each_task(job, bounds, documents, threads, backward_task);
}

}  // extern "C"
