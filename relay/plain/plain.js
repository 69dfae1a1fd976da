document.documentElement.dataset.plain = 'true';
