"""What every request passes before Gradio and our own routes: the allow-list of routes, the host,
signing in, how large a body may be, and the headers of the answer."""
