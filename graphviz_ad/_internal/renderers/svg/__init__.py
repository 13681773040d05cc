"""Canvas or Film -> SVG."""
