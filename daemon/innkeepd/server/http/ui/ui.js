'use strict';
const $ = id => document.getElementById(id);
const TEXT = {
  en: {language: 'Language', token: 'Token of [http] in the configuration', enter: 'Enter', timeline: 'Who held the memory', memory: 'Memory', queue: 'Queue', models: 'Models',
    requests: 'Requests', speed: 'Speed by model', reasons: 'Swaps and fallbacks', close: 'Close', inMemory: 'in memory', loading: 'loading', waited: 'waited', answered: 'answered', failed: 'failed',
    newest: 'Newest', slowest: 'Slowest', hold: 'Hold 30 min', resume: 'End the hold', load: 'Load', unload: 'Unload', pin: 'Pin', unpin: 'Unpin', nobody: 'Nobody waits.', none: 'Nothing yet.',
    name: 'Model', size: 'Memory', state: 'State', actions: 'Actions', asked: 'Asked', role: 'Role', wait: 'Waited', swap: 'Swap', first: 'First token', total: 'Total', rate: 'tokens/s', outcome: 'Outcome', request: 'Request',
    up: 'Ollama {v} answers', down: 'Ollama does not answer', lost: 'innkeepd does not answer; trying again', held: 'on hold until {t}', resident: 'in memory, {n} answering', unloading: 'unloading', out: '',
    pinned: 'pinned', budget: '{u} of {b} promised, {a} available, pressure {p}', position: '{i}. {m}: {c}, {w} so far', expected: ', about {e} more', pressure: {normal: 'normal', warning: 'warning', critical: 'critical'},
    why: 'Why did this take {t}?', sAsked: 'Asked at {t} ({p}){c}.', sRole: 'Role {r}: {w}', sWait: 'Waited {s} in the queue: {w}', sNoWait: 'Did not wait.', sEvict: 'Unloaded for it: {m}.', sSwap: '{s} of the wait went into swapping models.',
    sTry: 'Tried {m}: {o} after {s}. {w}', sFirst: 'First token {s} after it was granted.', sEnd: 'Finished after {t} in all: {n} tokens{r}.', sFail: 'Ended as {o} after {t}: {w}', left: 'Zoom in', earlier: 'Earlier', later: 'Later', now: 'Now',
    swapsN: '{n} swaps, {s} lost to them', fallbackN: '{n} requests answered by another model than the first choice', reasonN: '{w}: {n}', canvas: 'Timeline of models in memory over the last {s}. Arrow keys move, plus and minus zoom. The requests are listed below.', median: 'median {m}, 95 % {p}', tps: '{n} tokens/s'},
  ko: {language: '언어', token: '설정 [http]의 토큰', enter: '확인', timeline: '메모리를 차지한 모델', memory: '메모리', queue: '대기열', models: '모델',
    requests: '요청', speed: '모델별 속도', reasons: '교체와 대체', close: '닫기', inMemory: '메모리에 있음', loading: '불러오는 중', waited: '대기', answered: '응답', failed: '실패',
    newest: '최신순', slowest: '느린순', hold: '30분 보류', resume: '보류 끝내기', load: '불러오기', unload: '내리기', pin: '고정', unpin: '고정 해제', nobody: '기다리는 요청이 없습니다.', none: '아직 없습니다.',
    name: '모델', size: '메모리', state: '상태', actions: '동작', asked: '시각', role: '역할', wait: '대기', swap: '교체', first: '첫 토큰', total: '전체', rate: '토큰/초', outcome: '결과', request: '요청',
    up: 'Ollama {v} 응답함', down: 'Ollama가 응답하지 않습니다', lost: 'innkeepd가 응답하지 않아 다시 시도합니다', held: '{t}까지 보류', resident: '메모리에 있음, 응답 {n}개', unloading: '내리는 중', out: '',
    pinned: '고정됨', budget: '{b} 중 {u} 배정, {a} 남음, 메모리 압박 {p}', position: '{i}. {m}: {c}, {w} 대기', expected: ', 약 {e} 남음', pressure: {normal: '정상', warning: '주의', critical: '위험'},
    why: '왜 {t} 걸렸을까요?', sAsked: '{t}에 요청({p}){c}.', sRole: '역할 {r}: {w}', sWait: '대기열에서 {s} 기다림: {w}', sNoWait: '기다리지 않았습니다.', sEvict: '이 요청을 위해 내린 모델: {m}.', sSwap: '대기 시간 중 {s}은 모델 교체에 쓰였습니다.',
    sTry: '{m} 시도: {s} 뒤 {o}. {w}', sFirst: '배정 뒤 {s} 만에 첫 토큰.', sEnd: '모두 {t} 만에 끝남: 토큰 {n}개{r}.', sFail: '{t} 뒤 {o}: {w}', left: '확대', earlier: '이전', later: '이후', now: '지금',
    swapsN: '교체 {n}번, 모두 {s}', fallbackN: '첫 번째가 아닌 모델이 답한 요청 {n}개', reasonN: '{w}: {n}', canvas: '지난 {s} 동안 메모리에 있던 모델. 화살표로 이동, 더하기와 빼기로 확대합니다. 요청은 아래 표에 있습니다.', median: '중앙값 {m}, 95 % {p}', tps: '초당 {n}토큰'}};
const saved = key => { try { return localStorage.getItem(key); } catch { return null; } };
const save = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } };
let language = saved('innkeep-language') || (navigator.language.startsWith('ko') ? 'ko' : 'en');
const t = (key, values = {}) => TEXT[language][key].replace(/\{(\w)\}/g, (_, name) => values[name] ?? '');
const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), text == null ? {} : {textContent: text}, more);
const svg = (tag, values) => { const one = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const key in values) one.setAttribute(key, values[key]); return one; };
const span = s => s == null ? '-' : s < 10 ? s.toFixed(1) + ' s' : s < 90 ? Math.round(s) + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : s < 172800 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' d';
const gib = n => (n / 2 ** 30).toFixed(1) + ' GiB';
const clock = at => new Date(at * 1000).toLocaleTimeString(language, {hour12: false});
// Columns of a request's row, as the daemon sends them.
const [ID, AT, KIND, CLASS, ROLE, MODEL, OUTCOME, QUEUED, SWAP, FIRST, TOTAL, RATE, TOKENS, TRIED] = Array(14).keys();

let state = null, models = [], word = '', requests = [], timeline = [], order = 'newest', samples = [], hits = [];
let width = 3600, end = null;  // seconds shown; the right edge, null: now

// ---- talking to the daemon
async function ask(path, more = {}) {
  const headers = {...more.headers};
  const token = sessionStorage.getItem('innkeep-token');
  if (token) headers.authorization = 'Bearer ' + token;
  const answer = await fetch(path, {...more, headers});
  $('ask-token').hidden = answer.status !== 401;
  if (!answer.ok) throw new Error((await answer.json()).error || answer.status);
  return answer;
}
const problem = text => { $('problem').hidden = !text; $('problem').textContent = text || ''; };
async function press(type, more) {
  try {
    problem('');
    await ask('do', {method: 'POST', headers: {'x-innkeep-ui': word, 'content-type': 'application/json'}, body: JSON.stringify({type, id: 0, ...more})});
    await look();
  } catch (error) { problem(error.message); }
}
async function look() {
  const told = await (await ask('state')).json();
  word = told.word; models = told.models; take(told.status);
}
async function history() {
  const told = await (await ask('history?since=' + (Date.now() / 1000 - 7 * 86400))).json();
  timeline = told.timeline; requests = told.requests;
}
async function listen() {
  for (;;) {
    try {
      await look(); await history(); problem(''); draw();
      const reader = (await ask('events')).body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const {value, done} = await reader.read();
        if (done) break;
        const parts = (rest + value).split('\n\n');
        rest = parts.pop();
        for (const part of parts) { const [kind, data] = part.split('\ndata: '); (kind === 'event: state' ? take : happened)(JSON.parse(data)); }
      }
    } catch (error) { if ($('ask-token').hidden) { problem(t('lost')); } else { problem(''); return; } }
    problem(t('lost'));
    await new Promise(done => setTimeout(done, 2000));
  }
}
function take(status) {
  state = status;
  samples.push(status.resident.reduce((sum, one) => sum + one.footprint, 0)); samples = samples.slice(-300);
  drawState();
}
function happened(told) {
  const known = new Set(told.requests.map(one => one[ID]));
  requests = [...told.requests.reverse(), ...requests.filter(one => !known.has(one[ID]))].slice(0, 5000);
  timeline = [...timeline, ...told.timeline];
  draw();
}

// ---- what is now
function drawState() {
  if (!state) return;
  const {backend, memory} = state;
  $('health').textContent = [backend.reachable ? t('up', {v: backend.version || ''}) : t('down'), state.held_until && t('held', {t: clock(state.held_until)}), ...new Set([...state.notices.map(one => one.text), ...state.warnings])].filter(Boolean).join(' · ');
  $('hold').textContent = t(state.held_until ? 'resume' : 'hold');
  const used = [...state.resident].reduce((sum, one) => sum + one.footprint, 0);
  $('memory').textContent = t('budget', {u: gib(used), b: gib(memory.budget), a: gib(memory.available), p: TEXT[language].pressure[memory.pressure]});
  $('budget').replaceChildren(...state.resident.map(one => { const bar = make('div'); bar.title = one.name + ' ' + gib(one.footprint); bar.style.width = 100 * one.footprint / (memory.budget || 1) + '%'; return bar; }));
  $('budget').setAttribute('aria-label', state.resident.map(one => one.name + ' ' + gib(one.footprint)).join(', ') || t('none'));
  $('spark').replaceChildren(svg('polyline', {points: samples.map((one, i) => `${300 * i / Math.max(1, samples.length - 1)},${38 - 36 * one / (memory.budget || 1)}`).join(' ')}));
  $('spark').setAttribute('aria-label', $('memory').textContent);
  const list = make('ol');
  for (const one of state.waiting) list.append(make('li', t('position', {i: one.position ?? '', m: one.model, c: one.priority + (one.client ? ', ' + one.client : ''), w: span(one.waited)}) + (one.expected == null ? '' : t('expected', {e: span(one.expected)}))));
  $('queue').replaceChildren(state.waiting.length ? list : make('p', t('nobody')));
  drawModels();
}
function row(cells, tag = 'td', numbers = []) {
  const line = make('tr');
  cells.forEach((cell, i) => { const one = make(tag, cell instanceof Node ? null : cell); if (cell instanceof Node) one.append(cell); if (tag === 'th') one.scope = 'col'; if (numbers.includes(i)) one.className = 'n'; line.append(one); });
  return line;
}
function drawModels() {
  const focus = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
  const inside = Object.fromEntries(state.resident.map(one => [one.name, one])), moving = Object.fromEntries(state.changing.map(one => [one.model, one]));
  const names = [...new Set([...models.filter(one => one.size).map(one => one.name), ...Object.keys(inside)])];
  $('models').replaceChildren(row([t('name'), t('size'), t('state'), t('actions')], 'th', [1]), ...names.map(name => {
    const one = inside[name], move = moving[name], isPinned = state.pins.includes(name), known = models.find(each => each.name === name);
    const what = move ? t(move.what) + ' ' + span(move.elapsed) : one ? t('resident', {n: one.leases}) : '';
    const buttons = make('div');
    const button = (verb, more) => { const it = make('button', t(verb), {type: 'button', onclick: () => press(verb, more)}); it.setAttribute('aria-label', `${t(verb)} ${name}`); it.dataset.key = verb.replace('un', '') + name; it.dataset.verb = verb; it.dataset.model = name; buttons.append(it); };
    button(one ? 'unload' : 'load', {model: name}); button(isPinned ? 'unpin' : 'pin', {model: name});
    return row([name, gib(one ? one.footprint : known ? known.footprint : 0), [what, isPinned && t('pinned')].filter(Boolean).join(', '), buttons], 'td', [1]);
  }));
  if (focus) { const again = $('models').querySelector(`[data-key="${CSS.escape(focus)}"]`); if (again) again.focus(); }
}

// ---- what was
function drawRequests() {
  const all = order === 'newest' ? requests : [...requests].sort((a, b) => b[TOTAL] - a[TOTAL]);
  $('requests').replaceChildren(row([t('request'), t('asked'), t('role'), t('name'), t('wait'), t('swap'), t('first'), t('total'), t('rate'), t('outcome')], 'th', [4, 5, 6, 7, 8]),
    ...all.slice(0, 100).map(one => {
      const open = make('button', one[ID], {type: 'button', onclick: () => tell(one[ID])});
      open.setAttribute('aria-label', t('why', {t: span(one[TOTAL])}) + ' ' + one[ID]);
      const line = row([open, clock(one[AT]), one[ROLE] || '-', one[MODEL] || '-', span(one[QUEUED]), one[SWAP] ? span(one[SWAP]) : '-', span(one[FIRST]), span(one[TOTAL]), one[RATE] ? one[RATE].toFixed(1) : '-', one[OUTCOME]], 'td', [4, 5, 6, 7, 8]);
      if (one[OUTCOME] !== 'answered') line.lastChild.className = 'bad';
      return line;
    }));
  $('order').replaceChildren(...['newest', 'slowest'].map(one => { const it = make('button', t(one), {type: 'button', id: one, onclick: () => { order = one; drawRequests(); $(one).focus(); }}); it.setAttribute('aria-pressed', order === one); return it; }));
}
async function tell(id) {
  try {
    const one = await (await ask('request?id=' + encodeURIComponent(id))).json(), times = one.timings, s = [];
    s.push(t('sAsked', {t: clock(one.asked_at), p: one.priority, c: one.client ? ', ' + one.client : ''}));
    if (one.role) s.push(t('sRole', {r: one.role, w: one.reason}));
    s.push(times.queued >= 0.05 ? t('sWait', {s: span(times.queued), w: one.waits.join('; ')}) : t('sNoWait'));
    if (one.evicted.length) s.push(t('sEvict', {m: one.evicted.join(', ')}));
    if (times.swap) s.push(t('sSwap', {s: span(times.swap)}));
    for (const each of one.attempts) if (each.outcome !== 'answered') s.push(t('sTry', {m: each.model, o: each.code || each.outcome, s: span(each.seconds), w: each.message || ''}));
    if (times.first_token != null) s.push(t('sFirst', {s: span(times.first_token)}));
    s.push(one.outcome === 'answered' ? t('sEnd', {t: span(times.total), n: one.completion_tokens, r: times.tokens_per_second ? `, ${times.tokens_per_second.toFixed(1)} ${t('rate')}` : ''}) : t('sFail', {o: one.code || one.outcome, t: span(times.total), w: one.message || ''}));
    $('h-story').textContent = t('why', {t: span(times.total)});
    $('steps').replaceChildren(...s.map(text => make('li', text)));
    $('record').textContent = JSON.stringify(one, null, 1);
    if (!$('story').open) $('story').showModal();
  } catch (error) { problem(error.message); }
}
function spans() {
  // [model, from, loaded, to] of each stay in memory.
  const open = {}, found = [];
  for (const [at, what, model, took] of timeline) {
    if (what === 'loading') open[model] = [model, at, null, null];
    else if (what === 'loaded') { const one = open[model] || [model, at - (took || 0), null, null]; one[2] = at; open[model] = one; }
    else if (what === 'loaded by another program') open[model] = [model, at, at, null];
    else if ((what === 'unloaded' || what === 'load failed') && open[model]) { open[model][3] = at; found.push(open[model]); delete open[model]; }
  }
  const now = Date.now() / 1000, here = new Map((state ? state.resident : []).map(one => [one.name, one]));
  for (const one of Object.values(open)) { one[3] = here.has(one[0]) || (state && state.changing.some(each => each.model === one[0])) ? now : Math.max(one[2] || one[1], ...requests.filter(each => each[MODEL] === one[0]).slice(0, 1).map(each => each[AT] + each[TOTAL])); found.push(one); }
  for (const [name, one] of here) if (!open[name]) found.push([name, one.since, one.since, now]);
  return found;
}
function drawTimeline() {
  const canvas = $('timeline'), scale = devicePixelRatio || 1, w = canvas.clientWidth, now = Date.now() / 1000;
  const right = end ?? now, left = right - width, stays = spans().filter(one => one[3] >= left && one[1] <= right);
  const seen = requests.filter(one => one[AT] + one[TOTAL] >= left && one[AT] <= right);
  const lanes = [...new Set([...stays.map(one => one[0]), ...seen.map(one => one[MODEL]).filter(Boolean)])].slice(0, 12);
  const lane = 46, top = 22, h = Math.max(110, top + lanes.length * lane), style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue('--' + name);
  canvas.width = w * scale; canvas.height = h * scale; canvas.style.height = h + 'px';
  const c = canvas.getContext('2d'), x = at => (at - left) / width * w;
  c.scale(scale, scale); c.font = '12px system-ui, "Noto Sans CJK KR", sans-serif'; c.textBaseline = 'middle';
  const step = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86400].find(one => one / width * w > 80) || 86400;
  c.strokeStyle = colour('line'); c.fillStyle = colour('dim');
  for (let at = Math.ceil(left / step) * step; at <= right; at += step) {
    c.beginPath(); c.moveTo(x(at), 0); c.lineTo(x(at), h); c.stroke();
    const date = new Date(at * 1000);
    c.fillText(step >= 86400 ? date.toLocaleDateString(language) : date.toLocaleTimeString(language, {hour: '2-digit', minute: '2-digit', hour12: false}), x(at) + 3, 8);
  }
  hits = [];
  lanes.forEach((name, i) => {
    const y = top + i * lane;
    for (const [model, from, loaded, to] of stays) if (model === name) {
      c.fillStyle = colour('held'); c.globalAlpha = .45; c.fillRect(x(loaded ?? to), y + 14, Math.max(1, x(to) - x(loaded ?? to)), 14); c.globalAlpha = 1;
      c.fillStyle = colour('load'); c.fillRect(x(from), y + 14, Math.max(1, x(loaded ?? to) - x(from)), 14);
      if (loaded && x(loaded) - x(from) > 2) { c.fillStyle = colour('load'); c.fillText(span(loaded - from), x(from), y + 6); }
    }
    for (const one of seen) if (one[MODEL] === name) {
      const a = x(one[AT]), b = x(one[AT] + one[QUEUED]), z = x(one[AT] + one[TOTAL]);
      c.fillStyle = colour('wait'); c.fillRect(a, y + 31, Math.max(0, b - a), 7);
      c.fillStyle = colour(one[OUTCOME] === 'answered' ? 'run' : 'fail'); c.fillRect(b, y + 17, Math.max(1.5, z - b), 8);
      hits.push([a, z, y, one]);
    }
    c.lineWidth = 4; c.strokeStyle = colour('panel'); c.strokeText(name, 4, y + 6); c.lineWidth = 1; c.fillStyle = colour('ink'); c.fillText(name, 4, y + 6);
  });
  if (!lanes.length) { c.fillStyle = colour('dim'); c.fillText(t('none'), 8, h / 2); }
  canvas.setAttribute('aria-label', t('canvas', {s: span(width)}));
}
function drawSpeed() {
  const groups = {};
  for (const one of requests) if (one[MODEL] && one[FIRST] != null) (groups[one[MODEL]] ||= []).push(one);
  const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const edges = [.25, .5, 1, 2, 4, 8, 16, 32, Infinity];
  $('speed').replaceChildren(...Object.entries(groups).map(([name, all]) => {
    const firsts = all.map(one => one[FIRST]).sort((a, b) => a - b), rates = all.map(one => one[RATE]).filter(Boolean).sort((a, b) => a - b), box = make('div');
    const bins = edges.map((edge, i) => firsts.filter(one => one <= edge && one > (edges[i - 1] ?? -1)).length), most = Math.max(...bins);
    const text = `${t('first')}: ${t('median', {m: span(at(firsts, .5)), p: span(at(firsts, .95))})}`, chart = svg('svg', {viewBox: '0 0 90 40', role: 'img', 'aria-label': text, preserveAspectRatio: 'none'});
    bins.forEach((count, i) => chart.append(svg('rect', {x: i * 10 + 1, width: 8, y: 40 - 38 * count / most, height: 38 * count / most})));
    box.append(make('h3', name), make('div', text), make('div', rates.length ? t('tps', {n: at(rates, .5).toFixed(1)}) : ''), chart);
    return box;
  }));
  const list = make('ul'), swapped = requests.filter(one => one[SWAP] > 0), reasons = {};
  list.append(make('li', t('swapsN', {n: swapped.length, s: span(swapped.reduce((sum, one) => sum + one[SWAP], 0))})), make('li', t('fallbackN', {n: requests.filter(one => one[TRIED] > 1).length})));
  for (const [, what, , , why] of timeline) if (what === 'unloading' && why) reasons[why] = (reasons[why] || 0) + 1;
  for (const one of requests) if (one[OUTCOME] !== 'answered') reasons[one[OUTCOME]] = (reasons[one[OUTCOME]] || 0) + 1;
  for (const [why, n] of Object.entries(reasons)) list.append(make('li', t('reasonN', {w: why, n})));
  $('reasons').replaceChildren(list);
}
function draw() { drawTimeline(); drawRequests(); drawSpeed(); }

// ---- moving in time
function zoom(factor, share = 1) {
  const right = end ?? Date.now() / 1000, at = right - width * (1 - share), next = Math.min(7 * 86400, Math.max(60, width * factor));
  if (end !== null || share < .95) end = at + next * (1 - share); width = next;
  if (end !== null && end >= Date.now() / 1000) end = null;
  drawTimeline(); drawZoom();
}
function move(share) { end = (end ?? Date.now() / 1000) + share * width; if (end >= Date.now() / 1000) end = null; drawTimeline(); }
const LENGTHS = [['15m', 900], ['1h', 3600], ['6h', 21600], ['24h', 86400], ['7d', 604800]];
function drawZoom() {
  $('zoom').setAttribute('aria-label', t('timeline'));
  const item = (text, act, on, label) => { const it = make('button', text, {type: 'button', onclick: act}); if (on !== null) it.setAttribute('aria-pressed', on); if (label) it.setAttribute('aria-label', label); return it; };
  $('zoom').replaceChildren(item('◀', () => move(-.5), null, t('earlier')), ...LENGTHS.map(([text, seconds]) => item(text, () => { width = seconds; end = null; drawTimeline(); drawZoom(); }, width === seconds)), item('▶', () => move(.5), null, t('later')));
}
const hit = event => { const box = $('timeline').getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top; return hits.findLast(([a, z, y]) => px >= a - 3 && px <= z + 3 && py >= y && py < y + 46); };
let drag = null;
$('timeline').addEventListener('wheel', event => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : .8, event.offsetX / $('timeline').clientWidth); }, {passive: false});
$('timeline').addEventListener('pointerdown', event => { drag = {x: event.clientX, end: end ?? Date.now() / 1000, moved: false}; });
$('timeline').addEventListener('pointermove', event => {
  if (drag && Math.abs(event.clientX - drag.x) > 4) { drag.moved = true; end = drag.end - (event.clientX - drag.x) / $('timeline').clientWidth * width; if (end >= Date.now() / 1000) end = null; drawTimeline(); return; }
  const found = hit(event);
  $('hover').textContent = found ? `${clock(found[3][AT])} ${found[3][MODEL]}: ${t('wait')} ${span(found[3][QUEUED])}, ${t('total')} ${span(found[3][TOTAL])}, ${found[3][OUTCOME]}` : '';
});
addEventListener('pointerup', event => { const was = drag; drag = null; if (was && !was.moved && event.target === $('timeline')) { const found = hit(event); if (found) tell(found[3][ID]); } });
$('timeline').addEventListener('keydown', event => {
  const act = {'+': () => zoom(.5), '=': () => zoom(.5), '-': () => zoom(2), ArrowLeft: () => move(-.25), ArrowRight: () => move(.25), Home: () => { end = null; drawTimeline(); }}[event.key];
  if (act) { event.preventDefault(); act(); }
});

// ---- the page
function speak() {
  document.documentElement.lang = language; $('language').value = language;
  for (const one of document.querySelectorAll('[data-t]')) one.textContent = t(one.dataset.t);
  drawZoom(); drawState(); draw();
}
$('language').onchange = event => { language = event.target.value; save('innkeep-language', language); speak(); };
$('hold').onclick = () => state && (state.held_until ? press('resume') : press('hold', {seconds: 1800, why: 'dashboard'}));
$('close').onclick = () => $('story').close();
$('ask-token').onsubmit = event => { event.preventDefault(); sessionStorage.setItem('innkeep-token', $('token').value); $('token').value = ''; listen(); };
addEventListener('resize', drawTimeline);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
setInterval(() => { if (!document.hidden && end === null) drawTimeline(); }, 10000);
speak();
listen();
