"""HTTP, the page, WebSockets and the rooms API."""
