// Search, and keys: "/" goes to the search, Escape back to all pictures, the arrows from one picture to the next.
const search = document.querySelector('input'), found = document.querySelector('output');
const items = [...document.querySelectorAll('.cards > li')];
const plain = text => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
const words = items.map(item => plain(`${item.textContent} ${item.dataset.says}`));
const filter = () => {
  const asked = plain(search.value).split(/\s+/).filter(Boolean);
  items.forEach((item, i) => { item.hidden = !asked.every(word => words[i].includes(word)); });
  for (const part of document.querySelectorAll('section')) part.hidden = !part.querySelector('li:not([hidden])');
  const shown = items.filter(item => !item.hidden).length;
  found.textContent = asked.length ? `${shown} of ${items.length}` : '';
};
const shownArticle = () => document.querySelector('article:target');
const close = article => {
  location.hash = 'all';
  document.querySelector(`.card[href="#${CSS.escape(article.id)}"]`)?.focus();
};
search.hidden = false;
search.addEventListener('input', filter);
search.addEventListener('keydown', event => {
  if (event.key === 'Enter') items.find(item => !item.hidden)?.querySelector('a').click();
  if (event.key === 'Escape') { search.value = ''; filter(); }
});
addEventListener('hashchange', () => shownArticle()?.focus());
addEventListener('keydown', event => {
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const article = shownArticle();
  if (event.key === '/') { event.preventDefault(); if (article) close(article); search.focus(); }
  if (!article) return;
  if (event.key === 'Escape') close(article);
  const way = { ArrowLeft: 'prev', ArrowRight: 'next' }[event.key];
  if (way) article.querySelector(`a[rel=${way}]`)?.click();
});
filter();
