"""Pictures that no collection has, drawn with Pillow."""
